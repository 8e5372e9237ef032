from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pyg_gears.lab.probes.gate_figures import CONDITIONS, PILLS, VARIANTS, gate_figures, precision_recall

pytest.importorskip("matplotlib")


def record(seed: int):
    rng = np.random.default_rng(seed)
    true = rng.random(300) < 0.3
    logits = rng.normal(size=300) + 2 * true
    bins = np.sort(rng.uniform(0, 0.2, 10))
    bins[0] = 0.0
    return SimpleNamespace(
        scores=SimpleNamespace(logits=logits, log_probability=logits - 4, is_true=true),
        gate=SimpleNamespace(reliability_predicted=bins, reliability_true=bins * 1.1),
        gap=SimpleNamespace(energy={name: float(rng.uniform(0.1, 2)) for name in CONDITIONS}),
        energy_by_beta={0.0: 1.5, 2.0: float(rng.uniform(0.5, 1.0))},
        pills=SimpleNamespace(
            factor={"shuffled": 7.5, "other_miniset": float("nan"), "random": 5.0, "random_graph": 1.2}
        ),
    )


@pytest.fixture
def slides():
    recovery = {
        name: SimpleNamespace(overlap=0.2, recall=0.7, jaccard=0.1, diffusion={1: 0.2, 4: 0.4 + 0.05 * i})
        for i, name in enumerate(VARIANTS)
    }
    return [
        SimpleNamespace(name="a", status="held out", members=(record(0), record(1)), recovery=recovery),
        SimpleNamespace(name="b", status="seen in training", members=(record(2), record(3)), recovery=recovery),
    ]


def test_precision_and_recall_by_every_threshold() -> None:
    score = np.array([3.0, 2.0, 2.0, 1.0, 0.0])
    true = np.array([True, False, True, False, True])
    recall, precision = precision_recall(score, true)
    expected = [(np.mean(true[score >= t]), true[score >= t].sum() / 3) for t in (3.0, 2.0, 1.0, 0.0)]
    np.testing.assert_allclose(precision, [p for p, _ in expected])
    np.testing.assert_allclose(recall, [r for _, r in expected])
    rng = np.random.default_rng(0)
    score, true = rng.normal(size=5000), rng.random(5000) < 0.5
    recall, precision = precision_recall(score, true)
    assert len(recall) <= 400
    assert recall[-1] == 1.0
    order = np.argsort(-score)  # thinned points lie on the curve
    whole = np.cumsum(true[order]) / np.arange(1, 5001)
    assert np.isin(precision.round(12), whole.round(12)).all()


def test_scores_share_bins_and_tell_the_area(slides) -> None:
    figure = gate_figures(slides, beta=2.0)["gate_scores"]
    assert len(figure.axes) == 6
    histogram, other, curve = figure.axes[:3]
    assert len(histogram.patches) == len(other.patches) == 2 * 49
    assert [p.get_x() for p in histogram.patches] == [p.get_x() for p in other.patches]
    # two rankings of two members, and chance
    assert len(curve.lines) == 5
    labels = [text.get_text() for text in curve.get_legend().get_texts()]
    assert labels[0].startswith("logit, area 0.")
    assert labels[2] == f"chance, {np.mean([m.scores.is_true.mean() for m in slides[0].members]):.3f}"
    assert len(figure.axes[4].lines) == 3


def test_energy_against_beta(slides) -> None:
    axes = gate_figures(slides, beta=2.0)["energy_by_beta"].axes[0]
    (mean,) = (line for line in axes.lines if line.get_label() == "a (held out)")
    assert mean.get_xdata() == pytest.approx([0.0, 2.0])
    assert mean.get_ydata()[1] == pytest.approx(np.mean([m.energy_by_beta[2.0] for m in slides[0].members]))
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--" and len(line.get_ydata()) == 2]
    assert levels == pytest.approx([np.mean([m.gap.energy["oracle"] for m in s.members]) for s in slides])
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [2.0]


def test_gap_bars_are_means_over_members(slides) -> None:
    axes = gate_figures(slides, beta=2.0)["gap_decomposition"].axes[0]
    widths = [patch.get_width() for patch in axes.patches]
    expected = [np.mean([m.gap.energy[name] for m in s.members]) for s in slides for name in CONDITIONS]
    assert widths == pytest.approx(expected)
    assert [text.get_text() for text in axes.texts] == [f"{value:.3f}" for value in expected]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(CONDITIONS.values())
    assert axes.yaxis_inverted()


def test_recovery_and_pills(slides) -> None:
    figures = gate_figures(slides, beta=2.0)
    panels = figures["graph_recovery"].axes
    assert len(panels) == 4
    assert all(axes.yaxis_inverted() for axes in panels)
    widths = [patch.get_width() for patch in panels[3].patches]
    assert widths == pytest.approx([0.4, 0.45, 0.5, 0.55, 0.6] * 2)
    axes = figures["poison_pills"].axes[0]
    assert len(axes.patches) == 2 * len(PILLS)
    assert [text.get_text() for text in axes.texts][:4] == ["7.500", "--", "5.000", "1.200"]


def test_figures_are_written(slides, tmp_path) -> None:
    for name, figure in gate_figures(slides, beta=2.0).items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
