"""What is wrong with a call is said before anything heavy is loaded, and before anything is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pytest

from pyg_gears.cli import main
from pyg_gears.data import write_simulation
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.training.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("refusals")
    write_simulation(place, slides=2, cells=40, spots=40)
    genes = [f"other_{i}" for i in range(30)]
    foreign = anndata.AnnData(np.ones((5, 30), dtype=np.float32))
    foreign.var_names = genes
    foreign.write_h5ad(place / "foreign.h5ad")
    cells = anndata.read_h5ad(place / "cells.h5ad")
    names = list(cells.var_names)
    alike = anndata.AnnData(np.tile(cells.X[[0]].toarray(), (30, 1)))
    alike.var_names = names
    alike.write_h5ad(place / "alike.h5ad")
    save_checkpoint(place / "model", {"recipe": {}, "encoder": {"genes": names}})
    (place / "odd.yaml").write_text("training: {epochs: many}\n")
    return place


FIT = "fit slide_0.h5ad slide_1.h5ad --out m "
RECONSTRUCT = "reconstruct model cells.h5ad --out l.h5ad "
CASES = {
    "--help": "Commands:",
    "fit --help": "--resume",
    FIT + "--validate slide_9": "expected --validate to name one of the slides slide_0, slide_1, found 'slide_9'",
    FIT + "--validate x/slide_1.h5ad": "found 'x/slide_1.h5ad' (did you mean 'slide_1'?); use one of these names",
    FIT + "--set training.epochz=3": "did you mean 'epochs'?",
    FIT + "--set training.lr=inf": "expected training.lr to be a finite number",
    FIT + "--config odd.yaml": "expected training.epochs to be",
    FIT + "--config none.yaml": "expected a recipe file",
    FIT + "--validate slide_0 --validate slide_1": "expected --validate once, found more; leave all but one out",
    FIT + "--device gpu": "expected a device among auto, cpu and cuda, found 'gpu'",
    FIT + "--preset fast": "fast",
    FIT + "--cells alike.h5ad": "expected cells that differ, found 30 with the same expression",
    RECONSTRUCT + "--set fil=1": "did you mean 'fill'?",
    RECONSTRUCT + "--set fill=nan": "expected fill to be a finite number",
    RECONSTRUCT + "--device cuda:x": "expected a device",
    RECONSTRUCT + "--max-memory much": "expected an amount of memory, found 'much'",
    "reconstruct none cells.h5ad --out l.h5ad": "expected a model folder at none, found none",
    FIT + "--layer counts": "expected a layer 'counts', found no layers; leave out --layer to read X",
    FIT + "--spatial-key nowhere": "; name them with --spatial-key spatial.",
    FIT + "again=slide_0.h5ad": "the same file as slide_0.h5ad and as again=slide_0.h5ad in places 0 and 2",
    "fit slide_0.h5ad slide_0=slide_1.h5ad --out m": "expected slides with different names, found slide_0, slide_0",
    "reconstruct model cells.h5ad --out l.csv": "expected --out to end in .h5ad, found l.csv; a layout is",
    "report cells.h5ad --out l.pdf": "expected --out to end in .html, found l.pdf; a report is",
    "reconstruct model foreign.h5ad --out l.h5ad": "genes of the model, found",
}


@pytest.mark.parametrize("call", CASES)
def test_a_refusal_loads_no_torch_and_writes_nothing(folder, call) -> None:
    before = sorted(folder.rglob("*"))
    command = [sys.executable, "-X", "importtime", "-m", "pyg_gears", *call.split()]
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={"PYTHONPATH": str(package)}
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    if call.endswith("--help"):
        assert CASES[call] in done.stdout
    else:
        assert done.returncode == 2
        assert len(said) == 1
        assert CASES[call] in said[0]
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert not loaded & {"torch", "torch_geometric", "lightning", "sklearn"}
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("call", [FIT, FIT + "--resume", RECONSTRUCT])
def test_the_second_run_on_one_folder_is_refused(folder, tmp_path, monkeypatch, capsys, call) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m" / "work").mkdir(parents=True)
    if call == FIT:
        (tmp_path / "m" / "work").rmdir()
    words = [str(folder / word) if (folder / word).exists() else word for word in call.split()]
    held = tmp_path / (".l.h5ad.shards" if call == RECONSTRUCT else "m")
    with locked_folder(held), pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert f"expected a folder that no other run uses, found {held} in use" in capsys.readouterr().err
