"""The rivals that a layout must beat: regressions on components, embeddings of the query alone, a soft map onto spots."""

from __future__ import annotations

from pyg_gears.baselines.embedding_rivals import embedding_rivals
from pyg_gears.baselines.place_regression import PlaceRegression
from pyg_gears.baselines.rivals import simple_rivals
from pyg_gears.baselines.soft_map import SoftMapOutput, fit_map, map_similarity, soft_map

__all__ = [
    "PlaceRegression",
    "SoftMapOutput",
    "embedding_rivals",
    "fit_map",
    "map_similarity",
    "simple_rivals",
    "soft_map",
]
