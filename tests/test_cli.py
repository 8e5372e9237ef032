from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import anndata
import numpy as np
import pytest
from anndata import AnnData

from pyg_gears.cli import main

TINY = [
    "embedding.steps=20",
    "embedding.folds=3",
    "embedding.repeats=1",
    "minisets.count=6",
    "minisets.min_size=30",
    "minisets.max_size=40",
    "graph.k=12",
    "model.hidden_channels=8",
    "model.heads=2",
    "model.head_channels=4",
    "model.recycles=2",
    "training.members=1",
    "training.epochs=2",
    "training.final_epochs=2",
    "training.pretraining.steps=2",
    "training.validation=2",
    "training.node_budget=120",
]
SETTINGS = [part for field in TINY for part in ("--set", field)]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    assert run("simulate", "--out", folder, "--tissue", "layers", "--slides", 2, "--cells", 60, "--seed", 4) == 0
    return folder


@pytest.fixture(scope="module")
def model(simulated, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "model"
    slides = (simulated / "slide_0.h5ad", simulated / "slide_1.h5ad")
    assert (
        run("fit", *slides, "--out", folder, "--validate", "slide_1", "--cells", simulated / "cells.h5ad", *SETTINGS)
        == 0
    )
    return folder


def test_fit_leaves_a_model_a_recipe_and_a_log(model) -> None:
    page = ["fit_report.html"] if importlib.util.find_spec("plotly") else []
    assert sorted(path.name for path in model.iterdir()) == [*page, "model.pt", "recipe.yaml", "training_0.csv"]


def test_reconstruct_and_evaluate(model, simulated, tmp_path, capsys) -> None:
    cells, layout = simulated / "cells.h5ad", tmp_path / "layout.h5ad"
    assert run("reconstruct", model, cells, "--out", layout, "--samples", 2) == 0
    found = anndata.read_h5ad(layout)
    assert found.obsm["X_gears"].shape == (60, 2)
    assert found.obs["gears_confidence"].between(0, 1).all()
    assert found.obsp["gears_distances"].shape == (60, 60)
    assert {"recipe", "versions", "residuals"} <= set(found.uns["gears"])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    references = [simulated / "slide_0.h5ad", simulated / "slide_1.h5ad"]
    report, figures = tmp_path / "metrics.json", tmp_path / "figures"
    evaluation = [
        "evaluate",
        layout,
        "--truth",
        "spatial_true",
        "--reference",
        *references,
        "--json",
        report,
        "--figures",
        figures,
    ]
    assert run(*evaluation) == 0
    table = capsys.readouterr().out
    content = json.loads(report.read_text())
    assert len(content["methods"]) >= 4
    assert content["references"] == [str(path) for path in references] or len(content["references"]) == 2
    assert "spearman" in table.lower()
    assert list(figures.glob("*.png"))
    assert run(*evaluation) == 2
    assert run("evaluate", layout, *references) == 2


def test_paired_spots_are_read_from_a_file(model, simulated, tmp_path, capsys) -> None:
    from pyg_gears.data import pseudo_spots, read_slide, write_slide

    cells, spots = simulated / "cells.h5ad", tmp_path / "spots.h5ad"
    write_slide(spots, pseudo_spots(read_slide(cells, spatial_key="spatial_true"), 8, core=1.0, min_cells=1).slide)
    assert run("reconstruct", model, cells, "--out", tmp_path / "paired.h5ad", "--paired", spots) == 0
    residuals = anndata.read_h5ad(tmp_path / "paired.h5ad").uns["gears"]["residuals"]
    assert residuals["paired_spots"] == "spots"
    assert residuals["paired_recognised"] > 30
    assert run("reconstruct", model, cells, "--out", tmp_path / "none.h5ad", "--paired", cells) == 2
    assert "cells: expected positions" in capsys.readouterr().err
    assert not (tmp_path / "none.h5ad").exists()


def test_cells_without_counts_are_named_in_both_streams(model, simulated, tmp_path, capsys) -> None:
    cells = anndata.read_h5ad(simulated / "cells.h5ad")
    counts = cells.X.toarray()
    counts[[0, 9]] = 0
    cells.X = counts
    cells.write_h5ad(tmp_path / "holes.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("reconstruct", model, tmp_path / "holes.h5ad", "--out", tmp_path / "layout.h5ad") == 0
    said = capsys.readouterr()
    assert "60 cells, 2 of them without a place\n" in said.out
    assert "Reason: mean confidence" in said.out
    assert "warning: 2 of 60 cells have no count in the" in said.err
    found = anndata.read_h5ad(tmp_path / "layout.h5ad")
    assert np.flatnonzero(np.isnan(found.obsm["X_gears"]).all(axis=1)).tolist() == [0, 9]
    assert found.obs["gears_confidence"].iloc[[0, 9]].tolist() == [0, 0]


def test_cells_of_one_profile_are_refused_before_a_folder_is_made(simulated, tmp_path, capsys) -> None:
    cells = anndata.read_h5ad(simulated / "cells.h5ad")
    cells.X = np.tile(cells.X.toarray()[:1] + 1, (60, 1))
    cells.write_h5ad(tmp_path / "alike.h5ad")
    out = tmp_path / "model"
    assert run("fit", simulated / "slide_0.h5ad", "--cells", tmp_path / "alike.h5ad", "--out", out, *SETTINGS) == 2
    assert "alike: expected cells that differ, found 60 with the same expression" in capsys.readouterr().err
    assert not out.exists()


def test_a_killed_fit_resumes(simulated, tmp_path, monkeypatch, capsys) -> None:
    from pyg_gears.training.structure_module import StructureModule

    step, out = StructureModule.training_step, tmp_path / "model"
    call = ["fit", simulated / "slide_0.h5ad", "--out", out, *SETTINGS]

    def die(self, batch, index):
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        assert run(*call) == 130
        assert "stopped; finished work is kept" in capsys.readouterr().err
    assert not (out / "model.pt").exists()
    assert run(*call) == 2
    assert "--resume" in capsys.readouterr().err
    assert run(*call, "--set", "training.lr=0.1", "--resume") == 2
    capsys.readouterr()
    assert run(*call, "--resume") == 0
    assert (out / "model.pt").exists()
    last = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("wrote") and "E_geo" in line)
    assert re.search(
        r"E_geo on slide_0 \(a block of it\), where the truth has 0: \d+\.\d+ with the inferred graph", last
    )
    assert re.search(r"(better than|level with|worse than) kNN regression \(\d+\.\d+\)", last)
    assert run(*call, "--resume") == 2


def write(path: Path, **changes: object) -> Path:
    generator = np.random.default_rng(0)
    counts = generator.poisson(2.0, size=(40, 10)).astype(np.float32)
    adata = AnnData(changes.get("counts", counts))  # type: ignore[arg-type]
    adata.obs_names = changes.get("cells", [f"c{i}" for i in range(adata.n_obs)])
    adata.var_names = changes.get("genes", [f"g{i}" for i in range(adata.n_vars)])
    spatial = changes.get("spatial", generator.uniform(size=(adata.n_obs, 2)))
    if spatial is not None:
        adata.obsm["spatial"] = spatial
    adata.write_h5ad(path)
    return path


def bad_files(folder: Path) -> dict[str, tuple[list[object], str]]:
    """Name -> (arguments of fit, words of the message)."""
    counts = np.ones((40, 10), dtype=np.float32)
    nan, negative = counts.copy(), counts.copy()
    nan[0, 0], negative[0, 0] = np.nan, -1
    good = write(folder / "good.h5ad")
    text = folder / "text.h5ad"
    text.write_text("no HDF5")
    used = folder / "used"
    used.mkdir()
    (used / "file").write_text("kept")
    return {
        "missing": ([folder / "absent.h5ad"], "found nothing"),
        "text": ([text], "another format"),
        "no_spatial": ([write(folder / "a.h5ad", spatial=None)], "spatial"),
        "nan": ([write(folder / "b.h5ad", counts=nan)], "b: expected"),
        "negative": ([write(folder / "c.h5ad", counts=negative)], "c: expected"),
        "no_shared_genes": ([good, write(folder / "d.h5ad", genes=[f"x{i}" for i in range(10)])], "shared"),
        "one_gene": ([write(folder / "e.h5ad", counts=counts[:, :1])], "genes"),
        "few_spots": ([write(folder / "f.h5ad", counts=counts[:20])], "30 spots"),
        "duplicates": ([write(folder / "g.h5ad", cells=["same"] * 40)], "g: expected"),
        "three_dimensions": ([write(folder / "h.h5ad", spatial=np.ones((40, 3)))], "two-dimensional"),
        "used_output": ([good, "--out", used], "in use"),
        "recipe_key": ([good, "--set", "training.epoch=3"], "did you mean 'epochs'"),
        "validate": ([good, "--validate", "other"], "found 'other'"),
        "config": ([good, "--config", folder / "none.yaml"], "expected a recipe file"),
        "option": ([good, "--presett", "quick"], "presett"),
    }


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_bad_input_gives_one_sentence_and_leaves_nothing(tmp_path, capsys) -> None:
    for name, (arguments, words) in bad_files(tmp_path).items():
        out = tmp_path / f"model_{name}"
        before = sorted(tmp_path.rglob("*"))
        assert run("fit", "--out", out, *arguments) == 2, name
        message = capsys.readouterr().err.strip()
        assert words in message, name
        assert len(message.splitlines()) == 1, name
        assert sorted(tmp_path.rglob("*")) == before, name


def test_cells_of_another_gene_set_and_existing_outputs_are_refused(model, simulated, tmp_path, capsys) -> None:
    foreign = write(tmp_path / "foreign.h5ad")
    assert run("reconstruct", model, foreign, "--out", tmp_path / "x.h5ad") == 2
    assert "fit" in capsys.readouterr().err.lower()
    assert run("reconstruct", model, simulated / "cells.h5ad", "--out", foreign) == 2
    assert run("reconstruct", tmp_path, simulated / "cells.h5ad", "--out", tmp_path / "x.h5ad") == 2
    assert "expected a model folder" in capsys.readouterr().err
    assert not (tmp_path / "x.h5ad").exists()


def test_settings_of_the_layout(model, simulated, tmp_path, capsys) -> None:
    cells = simulated / "cells.h5ad"
    by_option, by_field = tmp_path / "option.h5ad", tmp_path / "field.h5ad"
    assert run("reconstruct", model, cells, "--out", by_option, "--patch-size", 40) == 0
    assert run("reconstruct", model, cells, "--out", by_field, "--set", "patch_size=40") == 0
    one, other = (anndata.read_h5ad(path).obsm["X_gears"] for path in (by_option, by_field))
    np.testing.assert_array_equal(one, other)
    capsys.readouterr()
    for setting, words in (("noise=abc", "noise to be a valid number"), ("metric=euclidean", "'metric'")):
        assert run("reconstruct", model, cells, "--out", tmp_path / "x.h5ad", "--set", setting) == 2
        assert words in capsys.readouterr().err
    published = ("reconstruct", model, cells, "--layout", "published")
    assert run(*published, "--out", tmp_path / "x.h5ad") == 2
    assert "expected models with a unit of their own for scales=model" in capsys.readouterr().err
    assert not (tmp_path / "x.h5ad").exists()
    assert run(*published, "--out", tmp_path / "x.h5ad", "--set", "scales=reconciled", "--patch-size", 50) == 0
    assert anndata.read_h5ad(tmp_path / "x.h5ad").uns["gears"]["residuals"]["global_patches"] == 0


def test_bad_input_is_told_in_seconds(tmp_path) -> None:
    """In a fresh process: what is wrong with a file is said before anything heavy is loaded."""
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "pyg_gears",
        "fit",
        str(tmp_path / "absent.h5ad"),
        "--out",
        str(tmp_path / "m"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 2
    assert "found nothing" in done.stderr
    assert not [
        line for line in done.stderr.splitlines() if line.endswith((" torch", " lightning", " torch_geometric"))
    ]


def test_a_failure_of_ours_is_exit_1(monkeypatch, capsys, tmp_path) -> None:
    import pyg_gears.data as data

    monkeypatch.setattr(data, "write_simulation", lambda *a, **k: 1 / 0, raising=False)
    assert run("simulate", "--out", tmp_path) == 1
    assert "failure of ours" in capsys.readouterr().err
