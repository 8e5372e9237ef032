"""The bench: what it measures, that it goes on where it stopped, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from pyg_gears import Recipe
from pyg_gears.cli.lab.models import models as command
from pyg_gears.data import simulate_tissue, write_simulation
from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.models import BASELINE, bench_recipe, contenders, run_bench, sample_spread
from pyg_gears.lab.models import bench as bench_module
from pyg_gears.lab.models.bench_table import VERDICT, bench_frame, bench_table
from pyg_gears.lab.models.peak_memory import peak_memory
from pyg_gears.losses import geometric_energy
from pyg_gears.models import StructureModel, StructureOutput
from pyg_gears.models.gated_model import initial_noise

RECIPE = Recipe().change(
    {
        "embedding": {"kind": "pca", "components": 4},
        "minisets": {"count": 3, "min_size": 40, "max_size": 45},
        "graph": {"k": 12},
        "training": {"epochs": 1, "final_epochs": 0, "ramp_epochs": 0.0, "validation": 2, "node_budget": 120},
    }
)


@pytest.fixture(scope="module")
def slides() -> list[Any]:
    return simulate_tissue("layers", slides=3, cells=40, seed=1, spots=70, genes=40).slides


def test_a_bench_is_measured_written_and_resumed(slides, tmp_path, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    options: dict[str, Any] = {"validate": slides[1].name, "recipe": RECIPE, "samples": 2, "progress": False}
    run_bench(slides[:2], slides[2], tmp_path / "out", models=[], **options)
    real, trained = bench_module.train_structure, []
    monkeypatch.setattr(
        bench_module, "train_structure", lambda *a, **k: trained.append(a[0].model.kind) or real(*a, **k)
    )
    found = run_bench(slides[:2], slides[2], tmp_path / "out", models=["distance_mds"], **options)
    assert trained == ["distance_mds"]
    assert [one.variant for one in found.records] == [BASELINE, "distance_mds"]
    first, second = (one.numbers for one in found.records)
    assert first["nodes_seen"] == second["nodes_seen"] > 100
    assert {"h_gate", "t_edge", "query spearman", "collapsed", "diversity", "seconds", "parameters"} <= set(second)
    assert first["h_gate"] == first["t_edge"]
    assert second["diversity"] > 0
    assert found.table == (tmp_path / "out" / "table.txt").read_text()
    assert [one["variant"] for one in json.loads((tmp_path / "out" / "results.json").read_text())] == [
        one.variant for one in found.records
    ]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 1000
    with pytest.raises(InputError, match="expected the recipe, slides and cells of the run begun"):
        run_bench(slides[:2], slides[2], tmp_path / "out", models=[], **{**options, "samples": 3})


def test_what_a_bench_cannot_use_is_refused_before_any_work(slides, tmp_path) -> None:
    options: dict[str, Any] = {"validate": slides[1].name, "progress": False}
    blind = dataclasses.replace(slides[2], pos=None)
    with pytest.raises(InputError, match="expected positions in the query slide_2, found none"):
        run_bench(slides[:2], blind, tmp_path / "out", **options)
    with pytest.raises(InputError, match="query that is none of the slides, found slide_0 among them"):
        run_bench(slides[:2], slides[0], tmp_path / "out", **options)
    with pytest.raises(InputError, match="expected different seeds of at least 0, found none"):
        run_bench(slides[:2], slides[2], tmp_path / "out", seeds=(), **options)
    with pytest.raises(InputError, match=r"--models among .*, found 'distance_mdz' .*distance_mds.*; name kinds"):
        run_bench(slides[:2], slides[2], tmp_path / "out", models=["distance_mdz"], **options)
    assert not (tmp_path / "out").exists()


def test_one_budget_for_all() -> None:
    quick = Recipe.preset("quick")
    training = bench_recipe(quick).training
    assert training.pretraining is None
    assert training.patience == training.epochs == quick.training.final_epochs
    assert training.final_epochs == 0
    assert bench_recipe(bench_recipe(quick)) == bench_recipe(quick)
    with pytest.raises(InputError, match=r"losses on coordinates that all models share, found loss\.random_walk"):
        bench_recipe(Recipe.preset("published_small"))
    assert contenders()[0] == BASELINE
    assert contenders(["gate_egnn", "gate_egnn"]) == (BASELINE, "gate_egnn")


def record(kind: str, energy: float, rank: float, seed: int = 0) -> RunRecord:
    numbers = {"h_gate": energy, "query spearman": rank}
    return RunRecord(variant=kind, protocol="inductive", fold="a", seed=seed, numbers=numbers)


def test_the_verdict_compares_with_the_model_without_a_graph() -> None:
    records = [
        record(BASELINE, 1.0, 0.5),
        record(BASELINE, 2.0, 0.7, 1),
        record("a", 1.4, 0.61),
        record("b", 1.4, 0.59),
    ]
    records += [
        record("c", 1.6, 0.5),
        RunRecord(variant="d", protocol="inductive", fold="a", seed=0, failed="diverged"),
    ]
    frame = bench_frame(records)
    assert frame[VERDICT].tolist() == ["--", "better", "mixed", "worse", "not measured"]
    assert frame.loc[BASELINE, "E_geo H-gate"] == 1.5
    assert frame["seeds"].tolist() == [2, 1, 1, 1, 1]
    assert "mixed" in bench_table(records)
    assert bench_frame([]).empty


class Shaken(StructureModel):
    """The first two channels, shaken."""

    samples, noise = True, 0.2

    def forward(self, batch, *, edge_index=None, noise=None, generator=None) -> StructureOutput:
        pos = batch.x[:, :2] + initial_noise(batch.x[:, :2], noise or 0.0, generator)
        return StructureOutput(batch.edge_index, (gauge_fix(pos, getattr(batch, "batch", None)),))


def test_the_spread_of_samples(minisets) -> None:
    model = Shaken(8)
    found = sample_spread(model, minisets, samples=3, seed=1)
    assert 0.02 < found.diversity < 0.3
    # The noise of samples averages out; the true shape is in the quiet layout.
    assert found.quiet_energy < found.mean_energy < found.sample_energy
    quiet = np.mean([float(geometric_energy(model(data).pos, data)) for data in minisets])
    assert found.quiet_energy == pytest.approx(quiet, rel=1e-4)
    model.noise = 0.0
    still = sample_spread(model, minisets, samples=2, seed=1)
    assert still.diversity == pytest.approx(0.0, abs=1e-6)
    assert still.mean_energy == pytest.approx(still.quiet_energy, rel=1e-3)


def test_the_peak_of_memory_is_that_of_the_block() -> None:
    with peak_memory() as found:
        held: Tensor = torch.ones(20_000_000)
    assert np.isnan(found.megabytes) or found.megabytes > 60
    del held
    # Small blocks stay in the heap when they are freed, below one that is kept, and would hide what comes next.
    small = [torch.ones(10_000) for _ in range(1000)]
    kept = small[::100]
    del small
    with peak_memory() as again:
        small = [torch.ones(10_000) for _ in range(1000)]
    assert np.isnan(again.megabytes) or again.megabytes > 25
    assert len(kept) == 10
    del small
    with peak_memory() as nothing:
        pass
    assert np.isnan(nothing.megabytes) or nothing.megabytes < 40


def test_the_command_refuses_in_one_sentence(tmp_path) -> None:
    out = CliRunner().invoke(
        command, ["a.h5ad", "--validate", "a", "--query", "b.h5ad", "--out", str(tmp_path), "--models", "nonesuch"]
    )
    assert isinstance(out.exception, InputError)
    assert "expected --models among" in str(out.exception)


def test_the_command_writes_table_and_figure(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    files = write_simulation(tmp_path / "files", tissue="layers", slides=3, cells=30, seed=0, spots=60)[:3]
    fields = ["embedding.kind=pca", "embedding.components=4", "minisets.count=2", "minisets.min_size=30", "graph.k=10"]
    fields += [
        "minisets.max_size=35",
        "training.epochs=1",
        "training.final_epochs=0",
        "training.validation=2",
        "training.ramp_epochs=0",
    ]
    settings = [part for field in fields for part in ("--set", field)]
    out = tmp_path / "out"
    arguments = [
        *files[:2],
        "--validate",
        "slide_1",
        "--query",
        files[2],
        "--out",
        out,
        "--models",
        BASELINE,
        *settings,
    ]
    found = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert found.exit_code == 0
    assert (out / "table.txt").read_text() in found.output
    assert {path.name for path in out.iterdir()} >= {"table.txt", "results.json", "figure.png", "runs"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seeds": (0, 0)}, "expected different seeds of at least 0, found 0, 0"),
        ({"samples": 1}, "expected two or more samples, found 1"),
    ],
)
def test_numbers_without_sense_are_refused(slides, tmp_path, change: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        run_bench(slides[:2], slides[2], tmp_path / "out", validate=slides[1].name, recipe=RECIPE, **change)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_someone_else_is_left_alone(slides, tmp_path) -> None:
    mine = tmp_path / "work" / "models" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(InputError, match="expected a new folder or one of this bench for out, found"):
        run_bench(slides[:2], slides[2], tmp_path, validate=slides[1].name, models=[], recipe=RECIPE)
    assert mine.read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_query_that_lacks_genes_is_refused_before_a_model_is_trained(slides, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bench_module, "train_structure", lambda *_, **__: pytest.fail("trained"))
    few = slides[2].subset_genes(slides[2].genes[:30])
    with pytest.raises(InputError, match="missing"):
        run_bench(slides[:2], few, tmp_path / "out", validate=slides[1].name, models=[], recipe=RECIPE)


def test_one_sample_has_no_spread(minisets) -> None:
    with pytest.raises(InputError, match="expected two or more samples, found 1"):
        sample_spread(Shaken(8), minisets, samples=1)
