from __future__ import annotations

from pathlib import Path

import pytest

from pyg_gears.data import simulate_tissue
from pyg_gears.lab.experiments import Experiment, RunRecord
from pyg_gears.lab.experiments.fold import Preparation, prepare_folds
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.lab.experiments.unseen import embed_unseen
from pyg_gears.training import Recipe
from pyg_gears.training.structure_training import train_structure

TINY = {
    "embedding": {"kind": "spatial", "components": 6, "cross_fit": False},
    "minisets": {"count": 4, "min_size": 40, "max_size": 50},
    "graph": {"k": 15},
    "model": {"recycles": 3, "hidden_channels": 8, "heads": 2, "head_channels": 4, "gate": {"channels": 8}},
    "training": {
        "epochs": 2,
        "ramp_epochs": 0.0,
        "pretraining": {"steps": 2},
        "validation": 2,
        "node_budget": 160,
    },
}


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe().change(TINY)


@pytest.fixture(scope="session")
def slides():
    return simulate_tissue("layers", slides=2, cells=40, seed=1, spots=80, genes=50).slides


@pytest.fixture(scope="session")
def third():
    """A slide of the same tissue that no fold holds."""
    slide = simulate_tissue("layers", slides=3, cells=40, seed=1, spots=80, genes=50).slides[2]
    assert slide.name == "slide_2"
    return slide


@pytest.fixture(scope="session")
def experiment() -> Experiment:
    return Experiment(
        name="tiny-grid",
        question="Does the grid run?",
        variants=[
            {"label": "as is"},
            {"label": "k 10", "changes": {"graph": {"k": 10}}},
            {"label": "noise", "embedding": "noise"},
        ],
        measure=["recycle-energies"],
        criteria=[
            {
                "claim": "fewer candidates lower the energy",
                "source": "plan, T1",
                "all": [{"metric": "h_gate", "variant": "k 10", "against": "as is", "difference": "<= -0.05"}],
            },
            {
                "claim": "the energy is low",
                "source": "plan, T2",
                "protocol": "transductive",
                "all": [{"metric": "h_gate", "variant": "as is", "value": "<= 9"}],
            },
        ],
    )


@pytest.fixture(scope="session")
def trained(recipe, slides, third, tmp_path_factory) -> TrainedRun:
    work = tmp_path_factory.mktemp("trained")
    preparation = Preparation(slides[1].name, "inductive", recipe, "own")
    prepared = prepare_folds([preparation], slides, work)[preparation.key]
    model = train_structure(recipe, prepared.train, prepared.validation, seed=0, folder=work / "run", progress=False)
    return TrainedRun(model, recipe, prepared, 0, embed_unseen(prepared, [third]))


def record(
    variant: str,
    fold: str,
    seed: int,
    h_gate: float,
    t_edge: float = 0.5,
    protocol: str = "inductive",
    **numbers: float,
) -> RunRecord:
    numbers = {"h_gate": h_gate, "t_edge": t_edge, "best_epoch": 2.0, **numbers}
    return RunRecord(variant=variant, protocol=protocol, fold=fold, seed=seed, numbers=numbers)


@pytest.fixture(scope="session")
def records() -> list[RunRecord]:
    """Two folds, two seeds; the second variant lacks one run, the third diverged once."""
    return [
        record("as is", "a", 0, 1.0, precision=0.5),
        record("as is", "a", 1, 1.2, precision=0.5),
        record("as is", "b", 0, 2.0, precision=0.5),
        record("as is", "b", 1, 2.4, precision=0.5),
        record("k 10", "a", 0, 0.9, 0.6, precision=0.6),
        record("k 10", "a", 1, 1.3, 0.6, precision=0.6),
        record("k 10", "b", 0, 1.7, 0.6, precision=0.4),
        RunRecord(variant="noise", protocol="inductive", fold="a", seed=0, failed="training diverged: nan"),
        record("noise", "b", 0, 3.0),
    ]


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"
