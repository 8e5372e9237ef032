"""Probes of a fitted model, one file each: gate, attention, graph, layouts, and what each error costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.lab.probes.diagnosis import diagnose

__all__ = ["diagnose"]

__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs={"diagnosis": ("diagnose",)})
