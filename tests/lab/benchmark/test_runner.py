from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from pyg_gears.errors import InputError
from pyg_gears.lab.benchmark import (
    Case,
    Method,
    Pooling,
    RivalFile,
    find_methods,
    make_case,
    run_benchmark,
    score_layout,
    score_parts,
)
from pyg_gears.lab.benchmark.scores import DIRECTION
from pyg_gears.metrics import evaluate_layout
from tests.lab.benchmark.test_protocols import CELLS, POOLING, section

PROTOCOLS = ("same-cells", "disjoint-halves")


def noisy(calls: list[tuple[str, int]], name: str = "noisy", noise: float = 5.0) -> Method:
    """Knows the truth, and writes down when it is asked."""

    def lay_out(case, seed, work) -> dict[str, np.ndarray]:
        calls.append((case.protocol, seed))
        shift = np.random.default_rng(seed).normal(size=case.truth.shape)
        return {name: case.truth + noise * shift, f"{name}_more": case.truth + 4 * noise * shift}

    return Method(name, noise, lay_out)


def test_scores_are_those_of_the_metrics_by_part() -> None:
    case = make_case("same-cells", [section("a")], POOLING, seed=0)
    pos = case.truth + np.random.default_rng(0).normal(size=case.truth.shape)
    pos[0] = np.nan
    found = score_parts(pos, case.truth, case.parts)
    assert {name: cells for name, (cells, _) in found.items()}["all"] == CELLS - 1
    between = case.parts["between"] & ~np.isnan(pos[:, 0])
    cells, scores = found["between"]
    assert cells == between.sum()
    whole = evaluate_layout(pos[between], case.truth[between])
    assert list(scores) == list(DIRECTION)
    assert {key: whole[key] for key in DIRECTION if key in whole} == {
        key: scores[key] for key in DIRECTION if key in whole
    }
    few = {"few": np.arange(CELLS) < 5}
    assert score_parts(pos, case.truth, few) == {}
    assert score_layout(case.truth, case.truth)["published_edge_auc"] == 1.0


def test_a_run_is_kept_and_goes_on(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []
    tissue = section("a")
    options = {"protocols": PROTOCOLS, "pooling": POOLING, "progress": False}
    first = run_benchmark([tissue], tmp_path, methods=[noisy(calls)], seeds=[0], **options)
    assert calls == [("same-cells", 0), ("disjoint-halves", 0)]
    again = run_benchmark([tissue], tmp_path, methods=[noisy(calls)], seeds=[0, 1], **options)
    assert calls[2:] == [("same-cells", 1), ("disjoint-halves", 1)]
    assert all(row in again.rows for row in first.rows)
    options |= {"protocols": PROTOCOLS[:1], "seeds": [0]}
    run_benchmark([tissue], tmp_path, methods=[noisy(calls, noise=6.0)], **options)
    assert len(calls) == 5  # another method under the same name
    run_benchmark([section("a", seed=9)], tmp_path, methods=[noisy(calls)], **options)
    assert len(calls) == 6  # another section
    assert not (tmp_path / "work").exists()
    kept = sorted((tmp_path / "layouts" / "same-cells" / "seed_0").glob("noisy-*/noisy.csv"))
    assert len(kept) == 3
    assert list(pd.read_csv(kept[0]).columns) == ["cell", "x", "y"]


def test_unfinished_work_of_a_method_is_there_when_it_is_called_again(tmp_path: Path) -> None:
    def lay_out(case: Case, seed: int, work: Path) -> dict[str, np.ndarray]:
        if not work.exists():
            work.mkdir(parents=True)
            raise KeyboardInterrupt
        return {"stopped": case.truth}

    options = {"methods": [Method("stopped", None, lay_out)], "pooling": POOLING, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        run_benchmark([section("a")], tmp_path, **options)
    assert not (tmp_path / "table.txt").exists()
    found = run_benchmark([section("a")], tmp_path, **options)
    assert found.rows[0].scores["spearman"] == pytest.approx(1.0)
    assert not (tmp_path / "work").exists()


def test_table_and_files_say_what_was_found(tmp_path: Path) -> None:
    tissue = section("a")
    half = make_case("disjoint-halves", [tissue], POOLING, seed=0)
    frame = pd.DataFrame(half.truth, index=half.query.cells, columns=["x", "y"]).iloc[20:]
    frame.to_csv(tmp_path / "perfect.csv")
    out = tmp_path / "out"
    found = run_benchmark(
        [tissue],
        out,
        methods=[noisy([])],
        protocols=PROTOCOLS,
        pooling=POOLING,
        rivals=[RivalFile(f"perfect={tmp_path / 'perfect.csv'}")],
        progress=False,
    )
    files = {path.name for path in out.iterdir()}
    assert files == {
        "table.txt",
        "scores.csv",
        "results.json",
        "layouts",
        "inside_between.png",
        "distortion_same-cells.png",
        "distortion_disjoint-halves.png",
    }
    rows = pd.read_csv(out / "scores.csv")
    whole = rows[(rows["part"] == "all") & (rows["protocol"] == "disjoint-halves")].set_index("method")
    assert whole["cells"].to_dict() == {"noisy": 160, "noisy_more": 160, "perfect": 140}
    assert whole.loc["perfect", "spearman"] == pytest.approx(1.0)
    assert whole.loc["noisy", "spearman"] > whole.loc["noisy_more", "spearman"]
    results = json.loads((out / "results.json").read_text())
    assert (
        results["protocols"]["same-cells"]["cells"]["inside"]
        == make_case("same-cells", [tissue], POOLING, seed=0).parts["inside"].sum()
    )
    assert len(results["rows"]) == len(found.rows) == 18
    text = found.table
    assert text == (out / "table.txt").read_text()
    assert "It leaks: a spot is the sum of cells that are to be placed" in text
    assert "EdgeAUC R50" in text
    assert "ScaleErr (ours)" in text
    line = next(line for line in text.split("disjoint-halves:")[1].splitlines() if line.startswith("perfect"))
    assert line.split()[:3] == ["perfect", "140", "1.000*"]


def test_simple_rivals_and_the_soft_map_run_beside(tmp_path: Path) -> None:
    found = run_benchmark(
        [section("a")], tmp_path, methods=find_methods(["simple", "soft_map"]), pooling=POOLING, progress=False
    )
    names = {row.method for row in found.rows}
    assert names == {
        "ridge_pca",
        "ridge_joint_smoothed",
        "knn_regression",
        "spectral",
        "tsne",
        "soft_map",
        "soft_map_best",
    }


def test_what_cannot_be_run_is_refused_before_any_work(tmp_path: Path) -> None:
    tissue, calls = section("a"), []
    frame = pd.DataFrame(np.zeros((CELLS, 2)), index=tissue.cells, columns=["x", "y"])
    frame.to_csv(tmp_path / "tool.csv")
    rival = RivalFile(f"tool={tmp_path / 'tool.csv'}")
    for options, message in (
        ({"protocols": ("same-cells", "same-cells")}, "expected protocols that are named once, found same-cells, same"),
        ({"seeds": (1, 1)}, "expected different seeds of at least 0, found 1, 1; change seeds"),
        ({"seeds": (0, 1), "rivals": [rival]}, "expected one seed with rivals and disjoint-halves, found 2"),
        ({"rivals": [rival, rival]}, "expected methods and rivals of different names, found noisy, tool, tool"),
        ({"protocols": ("no",)}, "expected a protocol among"),
    ):
        with pytest.raises(InputError, match=message):
            run_benchmark([tissue], tmp_path / "out", **{"methods": [noisy(calls)], "pooling": POOLING, **options})
    with pytest.raises(InputError, match="expected at most 1 sections for disjoint-halves, found 2; leave out what"):
        run_benchmark([tissue, tissue], tmp_path / "out", methods=[noisy(calls)], pooling=Pooling(8, 0.7, 2, 0.0))
    assert not calls
    assert not (tmp_path / "out").exists()
