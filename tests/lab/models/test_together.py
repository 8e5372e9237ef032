"""Models that vote together, and layouts by operators, on the bench: kept, measured, resumed, refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch_geometric.data import Batch

from pyg_gears import Recipe
from pyg_gears.cli.lab.models import models as command
from pyg_gears.data import simulate_tissue
from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.models import BASELINE, JointModel, bench_tasks, combinations, run_bench
from pyg_gears.lab.models import bench as bench_module
from pyg_gears.lab.models.bench_table import bench_frame, bench_table, together_frame
from pyg_gears.models import StructureModel, StructureOutput
from tests.pairwise_distance import pairwise_distance

RECIPE = Recipe().change(
    {
        "embedding": {"kind": "pca", "components": 4},
        "minisets": {"count": 2, "min_size": 40, "max_size": 45},
        "graph": {"k": 12},
        "training": {"epochs": 1, "ramp_epochs": 0.0, "validation": 2, "node_budget": 120},
    }
)
PAIR = "distance_mds+operator_net"


@pytest.fixture(scope="module")
def slides() -> list[Any]:
    return simulate_tissue("layers", slides=3, cells=40, seed=1, spots=70, genes=40).slides


def test_trained_models_vote_together_and_operators_are_merged(slides, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    real, trained, out = bench_module.train_structure, [], tmp_path / "out"
    monkeypatch.setattr(
        bench_module, "train_structure", lambda *a, **k: trained.append(a[0].model.kind) or real(*a, **k)
    )

    def run(**options: Any) -> Any:
        trained.clear()
        fixed: dict[str, Any] = {"validate": slides[1].name, "recipe": RECIPE, "samples": 2, "progress": False}
        return run_bench(slides[:2], slides[2], out, **fixed, **options)

    run(models=["operator_net"])
    # The kinds of a combination take part without being named; what is trained is not trained again.
    found = run(models=[], together=["operator_net+distance_mds"], operators=False)
    assert trained == ["distance_mds"]
    assert [one.variant for one in found.records] == [BASELINE, "operator_net", "distance_mds", PAIR] or [
        one.variant for one in found.records
    ] == [BASELINE, "distance_mds", "operator_net", PAIR]
    by_name = {one.variant: one.numbers for one in found.records}
    joint = by_name[PAIR]
    for name in ("parameters", "nodes_seen", "cpu_seconds"):
        assert joint[name] == pytest.approx(by_name["distance_mds"][name] + by_name["operator_net"][name])
    assert {"h_gate", "t_edge", "collapsed", "query spearman", "query trust_20", "query recall_15"} <= set(joint)
    assert "diversity" not in joint
    assert joint["query spearman"] not in (by_name[kind]["query spearman"] for kind in PAIR.split("+"))
    assert "Together: above the best of its parts" in found.table
    assert PAIR in [one["variant"] for one in json.loads((out / "results.json").read_text())]

    found = run(models=["operator_net"], operators=True)
    assert trained == []
    rows = {one.variant: one.numbers for one in found.records}
    assert list(rows) == [BASELINE, "operator_net", "operator_net, eigenvectors", "operator_net, landmarks"]
    for name in ("operator_net, eigenvectors", "operator_net, landmarks"):
        assert np.isfinite(rows[name]["query spearman"])
        assert "h_gate" not in rows[name]
    # A model whose weights are damaged is trained again, and the combination is not measured again.
    weights = out / "runs" / "operator_net" / "seed_0.pt"
    weights.write_bytes(weights.read_bytes()[:-100])
    run(models=[], together=[PAIR])
    assert trained == ["operator_net"]


def test_a_combination_of_a_model_that_diverged_has_no_numbers(tmp_path) -> None:
    tasks = bench_tasks([BASELINE, "a", "b"], [("a", "b")], False, [0], tmp_path)
    assert [task.variant for task in tasks] == [BASELINE, "a", "b", "a+b"]
    assert [task.kept for task in tasks] == [False, True, True, False]
    plain: dict[str, Any] = {"protocol": "inductive", "fold": "f", "seed": 0}
    RunRecord(variant="a", **plain, numbers={"parameters": 1.0}).write(tasks[1].record)
    RunRecord(variant="b", **plain, failed="diverged").write(tasks[2].record)
    assert [task.finished() for task in tasks] == [False, False, True, False]
    bench = bench_module._Bench(RECIPE, [], None, "f", 2, tmp_path)  # type: ignore[arg-type]
    assert bench.run(tasks[3]).failed == "the training of b diverged"


class Flat(StructureModel):
    """Two channels of x as they are."""

    def __init__(self, first: int) -> None:
        super().__init__(4)
        self.first = first

    def forward(self, batch, *, edge_index=None, noise=None, generator=None) -> StructureOutput:
        return StructureOutput(
            batch.edge_index, (gauge_fix(batch.x[:, self.first : self.first + 2], getattr(batch, "batch", None)),)
        )


def test_a_joint_model_averages_distances_and_not_coordinates(minisets) -> None:
    data = [minisets[0].clone(), minisets[1].clone()]
    generator = torch.Generator().manual_seed(0)
    for one in data:
        pos = torch.randn(one.num_nodes, 2, generator=generator)
        one.x = torch.cat([pos, pos * torch.tensor([-1.0, 1.0])], dim=1)  # the second voter has the mirror image
    batch = Batch.from_data_list(data)
    joint = JointModel([Flat(0), Flat(2)])
    found = joint(batch).pos
    assert found.dtype == batch.x.dtype
    for number in range(2):
        own = batch.batch == number
        torch.testing.assert_close(
            pairwise_distance(found[own]), pairwise_distance(gauge_fix(data[number].x[:, :2])), atol=1e-4, rtol=1e-4
        )
    torch.testing.assert_close(JointModel([Flat(0)])(batch).pos, Flat(0)(batch).pos)


def test_the_table_says_how_far_a_combination_is_above_its_parts() -> None:
    def record(kind: str, rank: float, trust: float) -> RunRecord:
        numbers = {"query spearman": rank, "query trust_20": trust, "query recall_15": 0.1, "h_gate": 1.0}
        return RunRecord(variant=kind, protocol="inductive", fold="a", seed=0, numbers=numbers)

    records = [record(BASELINE, 0.7, 0.5), record("a", 0.5, 0.8), record("b", 0.6, 0.7), record("a+b", 0.65, 0.75)]
    frame = bench_frame([*records, record("a, landmarks", 0.9, 0.9)])
    found = together_frame(frame)
    assert found.index.tolist() == ["a+b"]
    assert found.loc["a+b"].to_dict() == pytest.approx(
        {
            "Spearman, parts": 0.05,
            "Trust@20, parts": -0.05,
            "recall@15, parts": 0.0,
            "Spearman, all": -0.05,
            "Trust@20, all": -0.05,
            "recall@15, all": 0.0,
        }
    )
    assert "Together" not in bench_table(records[:3])
    assert isinstance(together_frame(bench_frame([])), pd.DataFrame)


def test_what_cannot_vote_together_is_refused_before_any_work(tmp_path) -> None:
    assert combinations(["ipa_lite+distance_egnn", "distance_egnn + ipa_lite"]) == (("distance_egnn", "ipa_lite"),)
    for text in ("ipa_lite", "ipa_lite+ipa_lite"):
        with pytest.raises(InputError, match=r"expected --together KIND\+KIND with different kinds, found 'ipa_lite"):
            combinations([text])
    for options, sentence in (
        (["--together", "ipa_lite+nonesuch"], "expected --together among"),
        (
            ["--operators", "--models", "ipa_lite"],
            "expected operator_net or operator_vae among the models with --operators",
        ),
    ):
        words = ["a.h5ad", "--validate", "a", "--query", "b.h5ad", "--out", str(tmp_path / "out"), *options]
        refused = CliRunner().invoke(command, words).exception
        assert isinstance(refused, InputError)
        assert sentence in str(refused)
    assert not (tmp_path / "out").exists()
