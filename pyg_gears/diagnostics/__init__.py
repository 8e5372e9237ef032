"""Judging a layout, and the slides before it: evaluation, batch-effect report, their tables and figures.

Names are loaded when first used: checking files must not wait for torch or matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.diagnostics.batch_effect_report import batch_effect
    from pyg_gears.diagnostics.evaluation import evaluate
    from pyg_gears.diagnostics.evaluation_table import format_table

_HOME = {"batch_effect": "batch_effect_report", "evaluate": "evaluation", "format_table": "evaluation_table"}

__all__ = ["batch_effect", "evaluate", "format_table"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyg_gears.diagnostics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pyg_gears.diagnostics.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
