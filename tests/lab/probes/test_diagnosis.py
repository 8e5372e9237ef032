from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pyg_gears.data import simulate_tissue, write_simulation, write_slide
from pyg_gears.data.anndata_io import read_slide
from pyg_gears.errors import InputError
from pyg_gears.lab.probes import attention_figures, gate_figures
from pyg_gears.lab.probes.diagnosis import check_diagnosis, diagnose, fixed_minisets
from pyg_gears.lab.probes.focus_maps import QUERIES
from pyg_gears.training import Recipe
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared, prepare
from pyg_gears.training.structure_training import build_model

FIGURES = {
    "attention_by_recycle",
    "logit_terms",
    "gradient_alignment",
    "gate_scores",
    "energy_by_beta",
    "gap_decomposition",
    "graph_recovery",
    "poison_pills",
}
RECIPE = Recipe().change(
    {
        "embedding": {"kind": "spatial", "components": 4},
        "minisets": {"count": 4, "min_size": 24, "max_size": 30},
        "graph": {"k": 10},
        "gate": {"channels": 8},
        "model": {"recycles": 2, "hidden_channels": 8, "heads": 2, "head_channels": 4, "members": 2},
        "training": {"validation": 5, "node_budget": 100},
    }
)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return write_simulation(tmp_path_factory.mktemp("files"), tissue="layers", slides=3, cells=40, seed=0, spots=60)


@pytest.fixture(scope="module")
def prepared(files) -> Prepared:
    return prepare(RECIPE, [read_slide(path) for path in files[:3]], None, "slide_2", None)


@pytest.fixture(scope="module")
def members(prepared) -> list[Any]:
    return [build_model(RECIPE, prepared.encoder.out_channels, seed).eval() for seed in (0, 1)]


@pytest.fixture(scope="module")
def out(files, prepared, members, tmp_path_factory) -> Path:
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("reports") / "report"
    diagnose(
        members,
        prepared.encoder,
        RECIPE,
        files[1:3],
        folder,
        seen=["slide_0", "slide_1"],
        validated=["slide_2"],
        minisets=3,
        maps=1,
    )
    return folder


def test_the_folder_is_complete(out) -> None:
    assert {path.stem for path in out.glob("*.png")} == FIGURES
    names = [*(f"focus_{query}" for query in QUERIES), "progression"]
    assert {path.stem for path in (out / "maps").iterdir()} == {
        f"slide_{slide}_0_{name}" for slide in (1, 2) for name in names
    }
    for path in out.rglob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 5_000
    assert {path.name for path in out.parent.iterdir()} == {"report"}


def test_numbers_are_those_of_the_probes(out, prepared, members) -> None:
    report = json.loads((out / "report.json").read_text())
    assert [(s["name"], s["status"], s["spots"]) for s in report["slides"]] == [
        ("slide_1", "seen in training", 60),
        ("slide_2", "held out, validation", 60),
    ]
    assert (report["members"], report["minisets"], report["seed"]) == (2, 3, 0)
    for number, member in enumerate(members):
        found = report["slides"][1]["members"][number]
        assert "scores" not in found
        assert len(found["attention"]["recall"]) == 2
        first = [prepared.validation[i] for i in range(3)]  # the fixed list is that of the training's validation
        expected = mean_energies(member, first, 100)  # type: ignore[arg-type]
        assert found["gap"]["energy"]["learned_gate"] == pytest.approx(expected["h_gate"], rel=1e-4)
        assert found["gap"]["energy"]["oracle"] == pytest.approx(expected["t_edge"], rel=1e-4)
        assert found["energy_by_beta"]["2.0"] == pytest.approx(expected["h_gate"], rel=1e-4)
    checks = {check["name"]: check["passed"] for check in report["slides"][1]["readiness"]}
    assert any(passed is not None for passed in checks.values())
    text = (out / "report.txt").read_text()
    assert "slide_2: 60 spots, held out, validation" in text
    assert "Readiness on slide_1 (seen in training)" in text


def test_minisets_are_fixed_and_change_with_the_seed(files, prepared) -> None:
    slide = read_slide(files[2]).subset_genes(prepared.encoder.genes)
    drawn = fixed_minisets(prepared.encoder, RECIPE, slide, 5, 0)
    for i in range(5):
        assert torch.equal(drawn[i].node_id, prepared.validation[i].node_id)
        assert torch.equal(drawn[i].edge_index, prepared.validation[i].edge_index)
        assert "pos" not in drawn[i]
    other = fixed_minisets(prepared.encoder, RECIPE, slide, 5, 1)
    assert not all(torch.equal(drawn[i].node_id, other[i].node_id) for i in range(5))


def test_nothing_is_left_of_a_report_that_fails(files, prepared, members, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no figure today")

    monkeypatch.setattr(attention_figures, "attention_figures", fail)
    with pytest.raises(RuntimeError, match="no figure today"):
        diagnose(members[:1], prepared.encoder, RECIPE, files[2:3], tmp_path / "report", minisets=1)
    assert not list(tmp_path.iterdir())


def test_one_member_one_miniset_and_an_unknown_slide(files, prepared, members, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(attention_figures, "attention_figures", lambda slides: {})
    monkeypatch.setattr(gate_figures, "gate_figures", lambda slides, beta: {})
    report = diagnose(members[:1], prepared.encoder, RECIPE, files[2:3], tmp_path / "report", minisets=1, maps=0)
    (slide,) = report["slides"]
    assert slide["status"] == "held out"
    assert slide["members"][0]["pills"]["energy"]["other_miniset"] is None
    assert "+-" not in (tmp_path / "report" / "report.txt").read_text()
    assert not list((tmp_path / "report" / "maps").iterdir())


def test_checks_come_first(files, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    a, b, cells = files[0], files[1], files[-1]
    slide = simulate_tissue("layers", slides=1, cells=40, seed=0, spots=60).slides[0]
    few = tmp_path / "few.h5ad"
    write_slide(few, slide.subset_genes(slide.genes[:30]))
    out = tmp_path / "out"
    for paths, more, text in (
        ([], {}, "expected at least one slide to diagnose the model on, found none"),
        ([a, a], {}, "expected slides with different names, found slide_0, slide_0"),
        ([a], {"minisets": 0}, "expected at least one miniset of each slide, found 0"),
        ([a, tmp_path / "absent.h5ad"], {}, "found nothing"),
        ([cells], {}, "cells: expected positions"),
        ([a, few], {"genes": slide.genes}, f"few: expected all {len(slide.genes)} genes of the model, found"),
        ([a, b], {"out": tmp_path}, "Expected a new file"),
    ):
        arguments: dict[str, Any] = {"out": out, "minisets": 2, **more}
        with pytest.raises(InputError, match=text):
            check_diagnosis(paths, **arguments)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install pyg_gears\[plot\]"):
        check_diagnosis([a, b], out, 2)
    assert not out.exists()


def test_a_second_run_gives_the_same(files, prepared, members, out, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(attention_figures, "attention_figures", lambda slides: {})
    monkeypatch.setattr(gate_figures, "gate_figures", lambda slides, beta: {})
    again = diagnose(
        members, prepared.encoder, RECIPE, files[2:3], tmp_path / "again", validated=["slide_2"], minisets=3, maps=0
    )
    first = json.loads((out / "report.json").read_text())["slides"][1]
    assert json.loads(json.dumps(again["slides"][0])) == first
