from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from pyg_gears import FittedGears
from pyg_gears.data import Slide
from pyg_gears.encoders import DomainGap
from pyg_gears.layout import row_spearman
from pyg_gears.report import fit_verdict
from pyg_gears.report import model_page as module
from pyg_gears.report.html_parts import text as html_text
from pyg_gears.report.model_page import read_log, write_model_page

pytest.importorskip("plotly")
Fitted = tuple[Path, FittedGears, list[Slide]]


def blocks(html: str) -> list[dict]:
    return [json.loads(text) for text in re.findall(r'<script type="application/json" id="\w+">(.*?)</script>', html)]


def test_everything_that_a_model_knows(fitted_model: Fitted) -> None:
    folder, fitted, slides = fitted_model
    path = write_model_page(folder, fitted, slides)
    assert path == folder / "fit_report.html"
    html = path.read_text(encoding="utf-8")
    cells, charts = blocks(html)
    assert (
        f'E_geo</th></tr></thead><tbody><tr><th scope="row">inferred graph, with its gate</th><td>{fitted.report["h_gate"]:.3f}'
        in html
    )
    assert "Trained on 3 slides: s0, s1, s2." in html
    assert (
        "Held out in the first round, to calibrate the confidence: s2. In the second, the model was trained anew on all spots."
        in html
    )
    for words in ("The gate tells which cells", "An epoch is one pass", "Confidence says what rank correlation"):
        assert words in html
    assert cells["count"] == len(slides[2])
    assert [column["name"] for column in cells["columns"]] == ["rank correlation reached"]
    log = read_log(folder / "training_0.csv")
    assert charts["loss"]["traces"][0]["y"] == log["loss"].tolist()
    assert [trace["name"] for trace in charts["energy"]["traces"]] == ["inferred graph", "true graph"]
    assert charts["gate"]["traces"][0]["y"] == log["gate_precision"].tolist()
    assert charts["gate"]["traces"][0]["x"] == [1.0, 2.0]  # the first epoch is 1, as in what ``fit`` prints
    assert html_text(fit_verdict(fitted.report)) in html
    best = int(log["selection_energy"].argmin()) + 1
    assert f"has the weights of epoch {best} of 2, where" in html
    assert charts["calibration"]["traces"][0]["x"] == list(fitted.calibration.scatter)
    found = fitted.reconstruct(slides[2], adapt="none", progress=False)
    assert slides[2].pos is not None
    quality = row_spearman(found.pos, slides[2].pos)
    trace = charts["reached"]["traces"][0]
    assert min(quality) <= min(trace["y"]) <= max(trace["y"]) <= max(quality)
    assert len(trace["y"]) <= 10
    assert not [file for file in folder.iterdir() if file.name.startswith(".")]


def test_without_a_whole_slide_at_hand(fitted_model: Fitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _, fitted, slides = fitted_model
    html = write_model_page(tmp_path, fitted).read_text(encoding="utf-8")
    assert "It is not shown, since it was not at hand or is large" in html
    assert "The folder holds no training log." in html
    assert blocks(html)[0] is None
    monkeypatch.setattr(module, "HELD_OUT_SPOTS", 10)
    assert "not at hand or is large" in write_model_page(tmp_path, fitted, slides).read_text(encoding="utf-8")
    block = dataclasses.replace(fitted, report={**fitted.report, "held_out": ["s0"], "held_out_is_block": True})
    assert "A block of each slide was held out" in write_model_page(tmp_path, block, slides).read_text(encoding="utf-8")


def test_a_held_out_slide_that_lies_far_off_is_said_on_the_page_alone(
    fitted_model: Fitted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, fitted, slides = fitted_model
    monkeypatch.setattr("pyg_gears.layout.query.domain_gap", lambda *_, **__: DomainGap(9.0, 9.0, 9.0))
    monkeypatch.setattr("pyg_gears.layout.query.MIN_CELLS", 3)
    with pytest.warns(UserWarning, match="far from the training spots"):
        fitted.reconstruct(slides[2], adapt="none", progress=False)
    assert "lies farther from the training slides" in write_model_page(tmp_path, fitted, slides).read_text("utf-8")
    monkeypatch.undo()
    assert "lies farther" not in write_model_page(tmp_path, fitted, slides).read_text("utf-8")


def test_tenths_keep_equal_confidences_together() -> None:
    confidence = np.array([0.5] * 90 + [0.9] * 10)
    quality = np.concatenate([np.linspace(0, 1, 90), np.full(10, 0.25)])
    (low, high), (reached, other) = module._tenths(confidence, quality)
    assert (low, high) == pytest.approx((0.5, 0.9))
    assert (reached, other) == pytest.approx((0.5, 0.25))
    assert module._tenths(np.full(5, 0.5), np.arange(5.0)) == ([0.5], [2.0])


def test_each_model_names_the_epoch_that_it_kept() -> None:
    log = {"epoch": np.arange(3.0), "selection_energy": np.array([0.9, np.inf, 0.7])}
    assert module._kept(
        [log, {**log, "selection_energy": log["selection_energy"][::-1]}, {"epoch": np.arange(3.0)}]
    ) == [
        "Model 0 has the weights of epoch 3 of 3, where E_geo with the inferred graph was lowest.",
        "Model 1 has the weights of epoch 1 of 3, where E_geo with the inferred graph was lowest.",
    ]


def test_an_empty_field_of_a_log_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss\n0,\n1,2.5\n")
    np.testing.assert_array_equal(read_log(tmp_path / "log.csv")["loss"], [np.nan, 2.5])


def test_without_plotly_nothing_is_written(
    fitted_model: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fitted, slides = fitted_model
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[report\]'"):
        write_model_page(tmp_path, fitted, slides)
    assert not list(tmp_path.iterdir())


def test_spots_of_the_held_out_slide_without_a_count_have_no_quality(fitted_model: Fitted, tmp_path: Path) -> None:
    _, fitted, slides = fitted_model
    counts = slides[2].counts.tolil()
    counts[[0, 7]] = 0
    empty = dataclasses.replace(slides[2], counts=counts.tocsr())
    found = {name: np.delete(pos, [0, 7], axis=0) for name, pos in fitted.held_out.items()}
    fitted = dataclasses.replace(fitted, held_out=found)
    cells, charts = blocks(write_model_page(tmp_path, fitted, [*slides[:2], empty]).read_text(encoding="utf-8"))
    assert cells["count"] == len(empty) - 2
    reached = charts["reached"]["traces"][0]
    assert None not in reached["y"]
    assert max(reached["y"]) > 0
