from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("matplotlib")

from pyg_gears.cli.lab.benchmark import benchmark
from pyg_gears.cli.lab.patch_size import patch_size
from pyg_gears.data import Slide, simulate_tissue, write_slide
from pyg_gears.errors import InputError

SETTINGS = [
    *("embedding.kind=spatial", "embedding.components=4", "embedding.genes=80", "embedding.adapter=null"),
    *("minisets.count=4", "minisets.min_size=20", "minisets.max_size=24", "graph.k=8", "regressions=null"),
    *("model.hidden_channels=8", "model.heads=2", "model.head_channels=4", "model.recycles=2", "model.gate.channels=8"),
    *("training.epochs=1", "training.pretraining.steps=1", "training.validation=2", "training.node_budget=60"),
]
CHANGES = [part for field in SETTINGS for part in ("--set", field)]


def run(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tissue = simulate_tissue("layers", slides=1, cells=360, seed=0, spots=30, genes=100)
    cells = tissue.cells
    path = tmp_path_factory.mktemp("files") / "tissue.h5ad"
    write_slide(path, Slide("tissue", cells.counts, cells.genes, cells.cells, tissue.cells_pos))
    return path


def test_a_preset_a_model_and_a_rival_run_side_by_side(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = pd.Index([f"cell_{i:06d}" for i in range(360)])
    pd.DataFrame(np.random.default_rng(0).random((360, 2)), index=names, columns=["x", "y"]).to_csv(tmp_path / "t.csv")
    words = (file, "--out", out, "--protocol", "same-cells", "--grid", "7x7", "--method", "quick", *CHANGES)
    result = run(benchmark, *words, "--rival", f"chance={tmp_path / 't.csv'}")
    assert result.exception is None, result.exception
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert {(row["method"], row["part"]) for row in rows} == {
        (method, part) for method in ("quick", "chance") for part in ("all", "inside", "between")
    }
    assert abs(next(row for row in rows if row["method"] == "chance")["scores"]["spearman"]) < 0.1
    assert "same-cells: learned from tissue_spots" in result.output
    written = {path: path.stat().st_mtime_ns for path in out.rglob("quick.csv")}
    assert len(written) == 1
    again = run(benchmark, *words)
    assert again.exception is None, again.exception
    assert {
        path: path.stat().st_mtime_ns for path in out.rglob("quick.csv")
    } == written  # it was kept, not fitted again


def test_only_options_with_an_effect_are_taken(file: Path, tmp_path: Path) -> None:
    for words, message in (
        (("--no-pool", "--grid", 5, "--min-cells", 3), "with --no-pool, found --grid, --min-cells; leave them out"),
        (
            ("--no-pool", "--method", "simple"),
            "expected spots to be made of the cells that are placed, found --no-pool",
        ),
        (("--method", "nothing"), "expected a method among simple, soft_map"),
        (
            (
                "--grid",
                "x7",
            ),
            "expected --grid like 30 or 20x10",
        ),
        (("--seeds", "a"), "expected --seeds like 3"),
    ):
        error = run(benchmark, file, "--out", tmp_path / "out", *words).exception
        assert isinstance(error, InputError), words
        assert message in str(error)
    # Before the sections are read.
    error = run(benchmark, tmp_path / "absent.h5ad", "--out", tmp_path / "out", "--method", "nothing").exception
    assert "expected a method among simple, soft_map" in str(error)
    assert not (tmp_path / "out").exists()


def test_patch_size_checks_its_words(file: Path, tmp_path: Path) -> None:
    error = run(patch_size, tmp_path, file, "--out", tmp_path / "out", "--sizes", "64,all").exception
    assert "expected --sizes like 64,256,whole, found '64,all'" in str(error)
    error = run(patch_size, tmp_path, file, "--out", tmp_path / "out").exception
    assert "expected a model folder at" in str(error)
