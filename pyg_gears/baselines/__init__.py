"""The simple rivals that a layout must beat: regressions on components, and embeddings of the query alone."""

from __future__ import annotations

from pyg_gears.baselines.embedding_rivals import embedding_rivals
from pyg_gears.baselines.place_regression import PlaceRegression
from pyg_gears.baselines.rivals import simple_rivals

__all__ = ["PlaceRegression", "embedding_rivals", "simple_rivals"]
