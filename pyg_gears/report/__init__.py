"""The report of a layout: its metrics and those of the simple rivals, a table, figures.

Names are loaded when first used: files are checked before torch or matplotlib is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.report.evaluation import evaluate
    from pyg_gears.report.evaluation_table import format_table
    from pyg_gears.report.fit_verdict import fit_verdict

__all__ = ["evaluate", "fit_verdict", "format_table"]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation": ("evaluate",),
        "evaluation_table": ("format_table",),
        "fit_verdict": ("fit_verdict",),
    },
)
