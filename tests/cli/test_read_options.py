"""The options of reading reach the files in every command that has them."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata
import numpy as np
import pytest
from click.testing import CliRunner, Result

from pyg_gears.cli.evaluate import evaluate
from pyg_gears.cli.fit import fit
from pyg_gears.cli.lab.batch_effect import batch_effect
from pyg_gears.cli.lab.benchmark import benchmark
from pyg_gears.cli.lab.diagnose import diagnose
from pyg_gears.cli.lab.experiment import experiment
from pyg_gears.cli.lab.patch_size import patch_size
from pyg_gears.cli.reconstruct import reconstruct
from pyg_gears.cli.simulate import simulate
from pyg_gears.data import write_layout
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.errors import arguments_are_options
from tests.data.io.odd_tables import GENES, plain_table

TINY = ("embedding.kind=pca", "embedding.components=4", "minisets.count=4", "minisets.min_size=20")
TINY = (*TINY, "minisets.max_size=28", "model.recycles=1", "model.hidden_channels=8", "training.epochs=1")
TINY = (*TINY, "training.pretraining=null", "training.validation=2", "training.members=1", "embedding.adapter=null")
SETTINGS = [part for field in TINY for part in ("--set", field)]


def run(command: object, *arguments: object) -> Result:
    with arguments_are_options():  # as the command line is run
        return CliRunner().invoke(command, [str(a) for a in arguments])


def special(path: Path, seed: int = 0) -> Path:
    """A file of two sections whose counts, positions and names all lie where only options find them."""
    table = plain_table(seed=seed)
    table.layers["molecules"] = table.X.copy()
    table.X = np.log1p(table.X)
    table.var["symbol"] = [f"S{i}" for i in range(GENES)]
    table.obs["x"], table.obs["y"] = table.obsm["spatial"].T
    del table.obsm["spatial"]
    table.obs["section"] = np.where(np.arange(90) < 45, "left", "right")
    table.write_h5ad(path)
    return path


CHOICES = ("--layer", "molecules", "--section-key", "section", "--spatial-key", "x,y", "--gene-column", "symbol")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    file = special(folder / "a.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is small, and may be warned of
        arguments = ("--validate", "tissue_right", "--cells", file, *CHOICES, *SETTINGS)
        result = run(fit, f"tissue={file}", "--out", folder / "model", *arguments)
    assert result.exception is None, result.exception
    return folder / "model"


def test_fit_reads_by_the_options_and_names_slides(model: Path) -> None:
    from pyg_gears import load

    fitted = load(model)
    assert fitted.report["slides"] == ["tissue_left", "tissue_right"]
    assert set(fitted.encoder.genes) <= {f"S{i}" for i in range(GENES)}


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("--layer", "found log-normalised values"),
        ("--section-key", "found 2 sections in obs['section']"),
        ("--spatial-key", "--spatial-key x,y"),
    ],
)
def test_fit_refuses_without_the_option_that_helps(tmp_path: Path, left_out: str, message: str) -> None:
    place = CHOICES.index(left_out)
    kept = CHOICES[:place] + CHOICES[place + 2 :]
    result = run(fit, special(tmp_path / "a.h5ad"), "--out", tmp_path / "model", *kept)
    assert message in str(result.exception)
    assert not (tmp_path / "model").exists()


def test_two_slides_given_one_name_are_told_how_to_be_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        plain_table().write_h5ad(tmp_path / f"{name}.h5ad")
    slides = [f"section={tmp_path / name}.h5ad" for name in ("a", "b")]
    result = run(fit, *slides, "--out", tmp_path / "model", *SETTINGS)
    assert "found section, section; name them NAME=path" in str(result.exception)


def test_reconstruct_reads_by_the_options(model: Path, tmp_path: Path) -> None:
    cells, out = special(tmp_path / "cells.h5ad", seed=3), tmp_path / "layout.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(reconstruct, model, cells, "--out", out, "--layer", "molecules", "--gene-column", "symbol")
    assert result.exception is None, result.exception
    assert anndata.read_h5ad(out).obsm["X_gears"].shape == (90, 2)
    result = run(reconstruct, model, cells, "--out", tmp_path / "other.h5ad", "--gene-column", "symbol")
    assert "found log-normalised values" in str(result.exception)


def test_evaluate_reads_layout_and_references_by_the_options(tmp_path: Path) -> None:
    cells, layout = special(tmp_path / "cells.h5ad", seed=3), tmp_path / "layout.h5ad"
    truth = anndata.read_h5ad(cells).obs[["x", "y"]].to_numpy()
    write_layout(layout, cells, pos=truth, confidence=np.linspace(0, 1, 90), distances=np.eye(90), info={})  # type: ignore[arg-type]
    report = tmp_path / "report.json"
    reference = special(tmp_path / "a.h5ad")
    result = run(evaluate, layout, "--reference", f"known={reference}", "--json", report, *CHOICES)
    assert result.exception is None, result.exception
    assert '"known_left",' in report.read_text()
    result = run(evaluate, layout, "--reference", reference, *CHOICES[2:])
    assert "log-normalised values" in str(result.exception)


@pytest.mark.parametrize(
    "command", [fit, reconstruct, evaluate, batch_effect, diagnose, experiment, simulate, benchmark, patch_size]
)
def test_every_command_that_reads_says_so_in_its_help(command: object) -> None:
    text = run(command, "--help").output
    slides = command is not reconstruct
    for option in ReadOptions().__dict__:
        expected = slides or option in ("layer", "gene_column")
        assert (f"--{option.replace('_', '-')}" in text) == expected
