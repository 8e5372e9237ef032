"""Probes of a fitted model, one file each: gate, attention, graph, layouts, and what each error costs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.lab.probes.diagnosis import diagnose

_HOME = {"diagnose": "diagnosis"}

__all__ = ["diagnose"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyg_gears.lab.probes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pyg_gears.lab.probes.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
