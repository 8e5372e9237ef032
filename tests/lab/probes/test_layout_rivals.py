from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.transforms import Compose

from pyg_gears.baselines import simple_rivals
from pyg_gears.data import EmbeddedSlide, MinisetDataset, MinisetRecipe, simulate_tissue
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.probes.layout_rivals import MARGIN, PROBE, LayoutScores
from pyg_gears.lab.probes.subject import HELD_OUT, SEEN, ModelSubject, OnSlide, SlideSubject
from pyg_gears.losses import geometric_energy
from pyg_gears.metrics import evaluate_layout
from pyg_gears.models import IPALite
from pyg_gears.transforms import CandidateGraph, GeometricTargets

GRAPH = CandidateGraph(8, "euclidean")


@pytest.fixture(scope="module")
def subject() -> ModelSubject:
    tissue = simulate_tissue("layers", slides=2, cells=40, seed=0, spots=70, genes=60).slides
    generator = torch.Generator().manual_seed(0)
    slides = []
    for slide, status in zip(tissue, (SEEN, HELD_OUT), strict=True):
        embedded = EmbeddedSlide(slide.name, torch.randn(70, 8, generator=generator), torch.tensor(slide.pos))
        recipe = MinisetRecipe(count=3, min_size=25, max_size=30)
        minisets = MinisetDataset([embedded], recipe, pre_transform=Compose([GeometricTargets(), GRAPH]))
        slides.append(SlideSubject(slide.name, status, minisets, slide))
    model = IPALite.from_preset("d7", 8, recycles=1, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    return ModelSubject((model.eval(),), tuple(slides), GRAPH, (tissue[0],), node_budget=60)


def test_rivals_lay_out_the_held_out_slide_alone(subject) -> None:
    (found,) = PROBE.measure(subject)
    assert (found.name, found.status) == (subject.slides[1].name, HELD_OUT)
    (scores,) = found.members
    slide = subject.slides[1]
    rivals = simple_rivals(subject.references, slide.slide, seed=0)
    assert list(scores) == ["model", *rivals]
    for name, layout in rivals.items():
        expected = evaluate_layout(layout, slide.slide.pos)
        assert scores[name].spearman == pytest.approx(expected["spearman"])
        assert scores[name].trust_20 == pytest.approx(expected["trust_20"])
        energies = []
        for graph in (slide.minisets[i] for i in range(3)):
            pos = gauge_fix(torch.from_numpy(layout[graph.node_id.numpy()]))
            energies.append(float(geometric_energy(pos, Batch.from_data_list([graph]))))
        assert scores[name].energy == pytest.approx(np.mean(energies), rel=1e-6)


def test_what_cannot_be_compared_is_refused(subject) -> None:
    seen = dataclasses.replace(subject, slides=subject.slides[:1])
    with pytest.raises(NotMeasurable, match="expected a slide that the model was not trained on"):
        PROBE.measure(seen)
    with pytest.raises(NotMeasurable, match="expected slides of the training to fit the simple rivals on"):
        PROBE.measure(dataclasses.replace(subject, references=()))


def test_the_model_may_stay_a_margin_behind_the_best_rival() -> None:
    def checks(spearman: float, trust: float, energy: float) -> list[bool | None]:
        scores = {
            "model": LayoutScores(spearman, trust, energy),
            "a": LayoutScores(0.7, 0.8, 1.0),
            "b": LayoutScores(0.6, 0.9, 2.0),
        }
        return [check.passed for check in PROBE.requirements((OnSlide("s", HELD_OUT, (scores,)),))]

    assert checks(0.7 - MARGIN + 1e-9, 0.9 - MARGIN + 1e-9, 1.0) == [True, True, True]
    assert checks(0.7 - MARGIN - 1e-3, 0.9 - MARGIN - 1e-3, 1.01) == [False, False, False]


def test_bars(subject) -> None:
    pytest.importorskip("matplotlib")
    from pyg_gears.report.figure_style import new_figure

    found, figure = PROBE.measure(subject), new_figure(4, 4)
    PROBE.draw(found, figure)  # type: ignore[misc]
    scores = found[0].members[0]
    assert [bar.get_width() for bar in figure.axes[1].patches] == pytest.approx([s.trust_20 for s in scores.values()])
    (table,) = PROBE.tables(found).values()
    assert table.loc["model", "Spearman"] == scores["model"].spearman
