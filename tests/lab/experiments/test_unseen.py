from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import Experiment, run_experiment, runner
from pyg_gears.lab.experiments.unseen import check_unseen, embed_unseen, unseen
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.layout import LayoutSettings, reconstruct_layout
from pyg_gears.metrics import evaluate_layout


def test_the_structure_model_alone_lays_out_the_slide(trained, third) -> None:
    found = unseen(trained)
    (slide,) = trained.unseen
    assert slide.name == third.name
    prepared = trained.prepared
    assert torch.equal(slide.x, prepared.encoder.encode(third))
    settings = LayoutSettings(refinement_rounds=0)
    pos = reconstruct_layout(
        trained.model, slide.x, candidates=prepared.candidates, settings=settings, seed=trained.seed, progress=False
    ).pos
    truth = evaluate_layout(pos, third.pos)
    for name in ("spearman", "trust_20", "recall_15"):
        assert found[name] == found[f"{name}, {slide.name}"] == pytest.approx(truth[name])
    assert found["h_gate"] > 0
    assert found["t_edge"] != found["h_gate"]


def test_the_mean_is_over_the_slides(trained) -> None:
    (slide,) = trained.unseen
    half = slide._replace(name="half", x=slide.x[:50], pos=slide.pos[:50])
    found = unseen(trained._replace(unseen=(slide, half)))
    both = [found[f"spearman, {name}"] for name in (slide.name, "half")]
    assert both[0] != both[1]
    assert found["spearman"] == pytest.approx(sum(both) / 2)


def test_an_experiment_without_such_slides_has_no_such_numbers(trained) -> None:
    with pytest.raises(NotMeasurable, match="expected slides that are kept back, found none"):
        unseen(trained._replace(unseen=()))


def test_spots_without_counts_stay_out_and_missing_genes_are_refused(trained, third) -> None:
    empty = third.counts.tolil()
    empty[[3, 5]] = 0
    with pytest.warns(UserWarning, match="2 of 80 cells have no count"):
        (slide,) = embed_unseen(trained.prepared, [replace(third, counts=empty.tocsr())])
    kept = [i for i in range(80) if i not in (3, 5)]
    assert torch.equal(slide.pos, torch.tensor(third.pos[kept]))
    fewer = third.subset_genes(third.genes[:-1])
    with pytest.raises(InputError, match="genes"):
        embed_unseen(trained.prepared, [fewer])


def test_slides_that_cannot_be_kept_back_are_refused_before_any_work(
    experiment, recipe, slides, third, out, monkeypatch
) -> None:
    check_unseen([third], ["slide_0", "slide_1"])
    monkeypatch.setattr(runner, "prepare_folds", lambda *a, **k: 1 / 0)
    for refused, message in (
        ([slides[0]], "expected unseen slides with names of their own, found slide_0 twice"),
        ([third, third], "found slide_2 twice"),
        ([replace(third, pos=None)], "expected positions in the unseen slide slide_2, found none"),
    ):
        with pytest.raises(InputError, match=message):
            run_experiment(experiment, slides, out, unseen=refused, recipe=recipe, progress=False)


def test_a_grid_measures_them_with_every_variant(recipe, slides, third, out) -> None:
    pytest.importorskip("matplotlib")
    grid = Experiment(
        name="two-graphs",
        question="Own or random?",
        variants=[{"label": "own"}, {"label": "random", "candidates": "random"}],
    )
    options = {"recipe": recipe, "seeds": [0], "folds": ["slide_1"], "progress": False}
    output = run_experiment(grid, slides, out, unseen=[third], **options)
    own, random = (record.numbers for record in output.records)
    assert own["unseen: spearman"] == own["unseen: spearman, slide_2"] != random["unseen: spearman"]
    assert random["candidate_recall"] < own["candidate_recall"]
    assert "unseen (in: inductive" in output.table
    record = json.loads((out / "runs" / "own" / "inductive" / "slide_1" / "seed_0.json").read_text())
    assert record["numbers"] == own
    with pytest.raises(InputError, match="expected"):
        run_experiment(grid, slides, out, unseen=[], **options)
