"""The simple rivals that a layout must beat: regressions on components, and embeddings of the query alone."""

from __future__ import annotations

from pyg_gears.baselines.rivals import simple_rivals

__all__ = ["simple_rivals"]
