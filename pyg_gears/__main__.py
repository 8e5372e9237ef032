"""``python -m pyg_gears``: the command line without an installed script."""

from __future__ import annotations

from pyg_gears.cli import main

main()
