from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyg_gears.cli.lab.targets import targets
from pyg_gears.data import write_simulation
from pyg_gears.errors import InputError


def run(*arguments: object) -> None:
    targets.main([str(a) for a in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return write_simulation(tmp_path_factory.mktemp("files"), tissue="layers", slides=2, cells=40, seed=0, spots=90)


def test_slides_in_folder_and_tables_out(files, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report"
    small = ("--sizes", "60", "--families", "F2+F4,Gram", "--steps", 3, "--starts", 2, "--minisets", 12)
    run(*files[:2], "--out", out, *small)
    assert (out / "report.txt").read_text() in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert report["sizes"] == [60]
    assert set(report["probes"]) == {"invariance", "stability", "recoverability", "informativeness", "lattice"}
    runs = report["probes"]["recoverability"]["runs"]
    assert [(one["family"], len(one["disparity"])) for one in runs] == [("F2+F4", 2), ("Gram", 2)] * 2
    assert report["probes"]["recoverability"]["verdicts"]["F2+F4: no collapse"] == "passed"
    assert {path.stem for path in out.glob("*.png")} == {"stability", "recoverability", "informativeness", "lattice"}


def test_bad_input(files, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "r"
    with pytest.raises(InputError, match=r"expected --sizes like 128,256, found '12x'; write numbers of spots"):
        run(files[0], "--out", out, "--sizes", "12x")
    with pytest.raises(InputError, match="expected minisets of at least 48 spots, found 20; name larger sizes"):
        run(files[0], "--out", out, "--sizes", "20")
    with pytest.raises(InputError, match="expected slides with different names, found slide_0, slide_0; name them"):
        run(files[0], files[0], "--out", out)
    with pytest.raises(InputError, match="slide_0: expected at least 128 spots, found 90"):
        run(files[0], "--out", out, "--sizes", "128")
    assert not list(tmp_path.iterdir())
