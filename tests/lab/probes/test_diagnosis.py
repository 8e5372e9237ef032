from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anndata
import pytest
import torch

from pyg_gears.data import simulate_tissue, write_simulation, write_slide
from pyg_gears.data.io.anndata_in import read_slide
from pyg_gears.errors import InputError
from pyg_gears.lab.probes import collapse_rate, gap_decomposition, gate_probe, gate_scores
from pyg_gears.lab.probes.diagnosis import check_diagnosis, diagnose, diagnosis_probes, fixed_minisets
from pyg_gears.lab.probes.focus_maps import QUERIES
from pyg_gears.training import Recipe
from pyg_gears.training.build_model import build_model
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared, prepare

FEW = (gap_decomposition.PROBE, collapse_rate.PROBE)
FIGURES = {
    "attention",
    "energy_by_beta",
    "gap_decomposition",
    "gate",
    "gate_scores",
    "gradient_alignment",
    "graph_recovery",
    "layout_rivals",
    "negative_controls",
}
RECIPE = Recipe().change(
    {
        "embedding": {"kind": "spatial", "components": 4},
        "minisets": {"count": 4, "min_size": 24, "max_size": 30},
        "graph": {"k": 10},
        "model": {"recycles": 2, "hidden_channels": 8, "heads": 2, "head_channels": 4, "gate": {"channels": 8}},
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
        candidates=prepared.candidates,
        seen=["slide_0", "slide_1"],
        validated=["slide_2"],
        references=files[:1],
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
        ("slide_2", "held out, used for early stopping", 60),
    ]
    assert (report["members"], report["minisets"], report["seed"]) == (2, 3, 0)
    assert list(report["probes"]) == [probe.name for probe in diagnosis_probes()]
    assert report["notes"] == []
    for number, member in enumerate(members):

        def found(probe: str, number: int = number) -> dict[str, Any]:
            slide = report["probes"][probe][1]
            assert slide["name"] == "slide_2"
            return slide["members"][number]

        assert set(found("gate_scores")) == {
            "edges",
            "average precision of the logit",
            "average precision of the softmax of the node",
            "chance",
        }
        assert len(found("attention")["recall_30"]) == 2
        first = [prepared.validation[i] for i in range(3)]  # the fixed list is that of the training's validation
        expected = mean_energies(member, first, 100)  # type: ignore[arg-type]
        assert found("gap_decomposition")["energy"]["learned_gate"] == pytest.approx(expected["h_gate"], rel=1e-4)
        assert found("gap_decomposition")["energy"]["oracle"] == pytest.approx(expected["t_edge"], rel=1e-4)
        assert found("energy_by_beta")["energy"]["2.0"] == pytest.approx(expected["h_gate"], rel=1e-4)
    (rivals,) = report["probes"]["layout_rivals"]
    assert rivals["name"] == "slide_2"
    assert {check["subject"] for check in report["requirements"]} == {
        "slide_1 (seen in training)",
        "slide_2 (held out, used for early stopping)",
    }
    assert {check["passed"] for check in report["requirements"]} == {True, False}
    text = (out / "report.txt").read_text()
    assert "slide_2: 60 spots, held out, used for early stopping" in text
    assert max(map(len, text.splitlines())) <= 220


def test_minisets_are_fixed_and_change_with_the_seed(files, prepared) -> None:
    slide = read_slide(files[2]).subset_genes(prepared.encoder.genes)
    drawn = fixed_minisets(prepared.encoder, RECIPE, slide, 5, 0, prepared.candidates)
    for i in range(5):
        assert torch.equal(drawn[i].node_id, prepared.validation[i].node_id)
        assert torch.equal(drawn[i].edge_index, prepared.validation[i].edge_index)
        assert "pos" not in drawn[i]
    other = fixed_minisets(prepared.encoder, RECIPE, slide, 5, 1, prepared.candidates)
    assert not all(torch.equal(drawn[i].node_id, other[i].node_id) for i in range(5))


def test_one_member_one_miniset_and_an_unknown_slide(files, prepared, members, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report"
    candidates = prepared.candidates
    report = diagnose(
        members[:1], prepared.encoder, RECIPE, files[2:3], out, candidates=candidates, minisets=1, maps=0, probes=FEW
    )
    assert [slide["status"] for slide in report["slides"]] == ["held out"]
    assert list(report["probes"]) == ["gap_decomposition", "collapse"]
    assert "+-" not in (out / "report.txt").read_text()
    assert not list((out / "maps").iterdir())


def test_a_model_without_gate_and_attention_terms(files, prepared, members, tmp_path) -> None:
    """What it cannot show is left out with a sentence; the rest is measured."""
    pytest.importorskip("matplotlib")

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = members[0]

        def forward(self, batch: Any, edge_index: Any = None) -> Any:
            return self.inner(batch, edge_index=edge_index)

    probes = (gate_probe.PROBE, *FEW)
    report = diagnose(
        [Plain()],  # type: ignore[list-item]
        prepared.encoder,
        RECIPE,
        files[2:3],
        tmp_path / "report",
        candidates=prepared.candidates,
        minisets=2,
        probes=probes,
    )
    assert list(report["probes"]) == ["collapse"]
    assert report["notes"] == [
        f"{name} was left out: expected a model with a gate, found Plain; probe a gated model."
        for name in ("gate", "gap_decomposition")
    ]
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
        (
            [a, b],
            {"references": [b], "seen": ["slide_0"]},
            "slide_1: expected a reference that the model was trained on",
        ),
        ([a, b], {"out": tmp_path}, "expected a new file"),
    ):
        arguments: dict[str, Any] = {"out": out, "minisets": 2, **more}
        with pytest.raises(InputError, match=text):
            check_diagnosis(paths, **arguments)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[plot\]'"):
        check_diagnosis([a, b], out, 2)
    assert not out.exists()


def test_a_second_run_gives_the_same(files, prepared, members, out, tmp_path) -> None:
    again = diagnose(
        members,
        prepared.encoder,
        RECIPE,
        files[2:3],
        tmp_path / "again",
        candidates=prepared.candidates,
        validated=["slide_2"],
        minisets=3,
        maps=0,
        probes=FEW,
    )
    first = json.loads((out / "report.json").read_text())["probes"]
    for name, found in json.loads(json.dumps(again["probes"])).items():
        assert found == first[name][1:]


def test_spots_without_a_count_are_left_out_and_named(files, prepared, members, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    slide = anndata.read_h5ad(files[2])
    counts = slide.X.toarray()
    counts[[1, 8]] = 0
    slide.X = counts
    slide.write_h5ad(tmp_path / "holes.h5ad")
    report = diagnose(
        members[:1],
        prepared.encoder,
        RECIPE,
        [tmp_path / "holes.h5ad"],
        tmp_path / "report",
        candidates=prepared.candidates,
        minisets=2,
        maps=0,
        probes=[gate_scores.PROBE],
    )
    assert report["slides"][0]["spots"] == 58
    text = (tmp_path / "report" / "report.txt").read_text()
    assert "holes: 2 spots without a count in the genes of the model are left out" in text
