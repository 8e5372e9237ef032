"""Judging a layout, the slides before it and the model between them: evaluation, batch-effect report, diagnosis, figures.

Names are loaded when first used: checking files must not wait for torch or matplotlib. The single probes of a model are
functions of the modules that bear their names (``gate_probe``, ``attention_probe``, ``gap_decomposition``,
``gradient_alignment``, ``graph_recovery``, ``poison_pills``, ``collapse_rate``, ``candidate_robustness``, ``readiness``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.diagnostics.batch_effect_report import batch_effect
    from pyg_gears.diagnostics.diagnosis import diagnose
    from pyg_gears.diagnostics.evaluation import evaluate
    from pyg_gears.diagnostics.evaluation_table import format_table

_HOME = {
    "batch_effect": "batch_effect_report",
    "diagnose": "diagnosis",
    "evaluate": "evaluation",
    "format_table": "evaluation_table",
}

__all__ = ["batch_effect", "diagnose", "evaluate", "format_table"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyg_gears.diagnostics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pyg_gears.diagnostics.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
