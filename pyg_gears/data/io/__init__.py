"""Files and AnnData in and out: formats, their safety, and how a table is understood as slides or cells.

The public names are those of ``pyg_gears.data``; everything else comes from the module of its name.
"""

from __future__ import annotations

__all__: list[str] = []
