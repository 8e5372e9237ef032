from __future__ import annotations

import pytest

from pyg_gears.data import MinisetDataset, simulate_tissue
from pyg_gears.training import Recipe
from pyg_gears.training.preparation import Prepared, prepare

TINY = {
    "embedding": {"kind": "spatial", "components": 6},
    "minisets": {"count": 6, "min_size": 40, "max_size": 60},
    "graph": {"k": 15},
    "model": {
        "recycles": 2,
        "hidden_channels": 8,
        "heads": 2,
        "head_channels": 4,
        "dropout": 0.1,
        "gate": {"channels": 8},
    },
    "training": {
        "epochs": 3,
        "final_epochs": 2,
        "warmup_epochs": 0,
        "ramp_epochs": 1,
        "pretraining": {"steps": 3},
        "validation": 2,
        "node_budget": 160,
    },
}


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return Recipe().change(TINY)


@pytest.fixture(scope="session")
def tissue():
    return simulate_tissue("layers", slides=3, cells=60, seed=1, spots=90, genes=60)


@pytest.fixture(scope="session")
def prepared(tiny_recipe, tissue) -> Prepared:
    return prepare(tiny_recipe, tissue.slides, None, None, None)


@pytest.fixture
def datasets(prepared) -> tuple[MinisetDataset, MinisetDataset]:
    return prepared.train, prepared.validation
