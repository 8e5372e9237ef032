"""A small tissue and a model fitted on it, once for all tests of what fits and lays out."""

from __future__ import annotations

import pytest

from pyg_gears import FittedGears, Gears, Recipe
from pyg_gears.data import simulate_tissue

TINY = {
    "embedding": {"kind": "spatial", "components": 6},
    "minisets": {"count": 8, "min_size": 40, "max_size": 60},
    "graph": {"k": 15},
    "model": {"recycles": 2, "hidden_channels": 8, "heads": 2, "head_channels": 4, "gate": {"channels": 8}},
    "training": {
        "members": 1,
        "epochs": 2,
        "final_epochs": 2,
        "pretraining": {"steps": 40},
        "validation": 2,
        "node_budget": 160,
    },
}


@pytest.fixture(scope="session")
def tissue():
    return simulate_tissue("gradient", slides=2, cells=150, seed=1, spots=120, genes=80)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe().change(TINY)


@pytest.fixture(scope="session")
def fitted(tissue, recipe) -> FittedGears:
    return Gears(recipe).fit(tissue.slides, validate=tissue.slides[1].name, progress=False)
