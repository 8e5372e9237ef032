from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pyg_gears.lab.probes.attention_figures import FAMILIES, attention_figures, pooled

pytest.importorskip("matplotlib")

R, H = 3, 2


def record(seed: int, *, geo: bool = False):
    """A member with numbers of the right shapes, as the probes give them."""
    rng = np.random.default_rng(seed)

    def table(*shape: int) -> np.ndarray:
        return rng.uniform(0.1, 0.9, shape)

    def terms(*names: str) -> dict[str, np.ndarray]:
        absent = {"pair"} if geo else {"pair", "geo"}
        return {name: np.zeros((R, H)) if name in absent else table(R, H) for name in names}

    spearman = terms("qk", "gate", "geo", "pair")
    spearman = {name: np.where(values == 0, np.nan, values) for name, values in spearman.items()}
    attention = SimpleNamespace(
        k=30,
        recall=table(R, H),
        recall_spread=table(R, H),
        entropy=table(R, H) + 2,
        entropy_spread=table(R, H),
        logit_std=terms("qk", "gate", "geo", "pair", "total"),
        logit_std_spread={name: table(R, H) for name in ("qk", "gate", "geo", "pair", "total")},
        spearman=spearman,
        spearman_spread=spearman,
        step=table(R),
        step_spread=table(R),
        candidate_recall=0.95,
    )
    alignment = SimpleNamespace(
        spearman={family: table(R, H) for family in FAMILIES},
        spread={family: table(R, H) for family in FAMILIES},
        coverage=dict.fromkeys(FAMILIES, 0.5),
        attention={family: table(R, H) for family in FAMILIES},
        gradient={family: table(R) for family in FAMILIES},
    )
    return SimpleNamespace(attention=attention, alignment=alignment)


@pytest.fixture
def slides():
    members = (record(0), record(1))
    return [
        SimpleNamespace(name="a", status="held out", members=members),
        SimpleNamespace(name="b", status="seen in training", members=(record(2, geo=True), record(3, geo=True))),
    ]


def test_pooling_is_the_mean_and_deviation_of_everything_pooled() -> None:
    rng = np.random.default_rng(0)
    # minisets, recycles, heads; two members
    samples = [rng.normal(size=(40, R, H)) + member for member in (0, 5)]
    curve = pooled([s.mean(axis=0) for s in samples], [s.std(axis=0) for s in samples])
    together = np.concatenate([s.transpose(1, 0, 2).reshape(R, -1) for s in samples], axis=1)
    np.testing.assert_allclose(curve.mean, together.mean(axis=1))
    np.testing.assert_allclose(curve.spread, together.std(axis=1))
    assert curve.each.shape == (4, R)
    np.testing.assert_allclose(curve.each[1], samples[0].mean(axis=0)[:, 1])
    flat = pooled([np.array([1.0, 2.0])], [np.array([0.5, 0.25])])
    assert flat.mean.tolist() == [1.0, 2.0]
    assert flat.spread.tolist() == [0.5, 0.25]


def test_pooling_leaves_out_what_is_undefined() -> None:
    curve = pooled([np.array([[1.0, np.nan], [np.nan, np.nan]])], [np.full((2, 2), 0.5)])
    assert curve.mean[0] == 1.0
    assert curve.spread[0] == 0.5
    assert np.isnan(curve.mean[1])


def test_recycles_a_row_a_slide(slides) -> None:
    figure = attention_figures(slides)["attention_by_recycle"]
    assert len(figure.axes) == 2 * 4
    top = figure.axes[:4]
    assert [axes.get_title() for axes in top] == [
        "recall@30 of true neighbours",
        "entropy (nats)",
        "std of the logits",
        "movement |dx| / sqrt(n)",
    ]
    assert [figure.axes[i].get_ylabel() for i in (0, 4)] == ["a\n(held out)", "b\n(seen in training)"]
    (mean,) = (line for line in top[0].lines if line.get_label() == "mean")
    expected = np.mean([m.attention.recall.mean(axis=1) for m in slides[0].members], axis=0)
    np.testing.assert_allclose(mean.get_ydata(), expected)
    # heads of both members, their mean, and the ceiling; movement knows no heads
    assert [len(axes.lines) for axes in top] == [2 * H + 2, 2 * H + 1, 2 * H + 1, 1]
    assert all(top[c].get_ylim() == figure.axes[4 + c].get_ylim() for c in range(4))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == len(set(texts)) == 5


def test_terms_that_a_model_lacks_are_not_drawn(slides) -> None:
    figure = attention_figures(slides)["logit_terms"]
    assert len(figure.axes) == 2 * 2
    labels = [{line.get_label() for line in axes.lines if line.get_label()[0] != "_"} for axes in figure.axes]
    assert labels[0] == {"gate", "qk", "all terms"}
    assert labels[1] == {"gate", "qk", "geo", "all terms"}
    assert labels[2] == {"gate", "qk"}
    assert labels[3] == {"gate", "qk", "geo"}
    texts = {text.get_text() for text in figure.legends[0].get_texts()}
    assert texts == {"gate", "qk", "geo", "all terms"}


def test_alignment_has_a_bar_a_family_and_recycle(slides) -> None:
    figure = attention_figures(slides)["gradient_alignment"]
    rank, _, share, _ = figure.axes
    assert len(rank.patches) == R * len(FAMILIES)
    members = [member.alignment for member in slides[0].members]
    heights = [patch.get_height() for patch in rank.patches[: len(FAMILIES)]]
    np.testing.assert_allclose(heights, [np.mean([m.spearman[f][0] for m in members]) for f in FAMILIES])
    assert len(share.patches) == 3 * len(FAMILIES)
    masses = [patch.get_height() for patch in share.patches[: len(FAMILIES)]]
    np.testing.assert_allclose(masses, [np.mean([m.attention[f][-1].mean() for m in members]) for f in FAMILIES])
    assert [label.get_text() for label in share.get_xticklabels()] == list(FAMILIES.values())


def test_figures_are_written(slides, tmp_path) -> None:
    for name, figure in attention_figures(slides).items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
