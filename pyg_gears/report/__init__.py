"""The report of a layout: its metrics and those of the simple rivals, a table, figures.

Names are loaded when first used: files are checked before torch or matplotlib is imported.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.report.evaluation import evaluate
    from pyg_gears.report.evaluation_table import format_table

_HOME = {"evaluate": "evaluation", "format_table": "evaluation_table"}

__all__ = ["evaluate", "format_table"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyg_gears.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pyg_gears.report.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
