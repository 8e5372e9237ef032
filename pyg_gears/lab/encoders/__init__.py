"""Batch effects: how far slides differ, in expression and in each embedding, and the effect of corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.lab.encoders.batch_effect import batch_effect

__all__ = ["batch_effect"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"batch_effect": ("batch_effect",)})
