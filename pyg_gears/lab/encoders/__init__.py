"""Batch effects: how far slides differ, in expression and in each embedding, and the effect of corrections."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyg_gears.lab.encoders.batch_effect import batch_effect

_HOME = {"batch_effect": "batch_effect"}

__all__ = ["batch_effect"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pyg_gears.lab.encoders' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pyg_gears.lab.encoders.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
