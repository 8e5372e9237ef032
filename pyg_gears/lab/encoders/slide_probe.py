"""Slide probe: how well a linear classifier finds the slide of a spot from its embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.lab.encoders.comparison_rows import CORRECTIONS, RAW
from pyg_gears.lab.encoders.figure_parts import BARS, draw_grouped_bars
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.qc_features import qc_features
from pyg_gears.lab.encoders.subject import Numbers, Scored, SlidesSubject, embedding_table, score_embeddings
from pyg_gears.lab.probe import Probe, Requirement
from pyg_gears.report.figure_style import PALETTE
from pyg_gears.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDS = 5
MIN_CLUSTER_SPOTS = 10
PANELS = {
    "probe": "linear, all spots",
    "probe_squares": "with squares, all spots",
    "within_cluster": "linear, inside clusters of like spots",
}


class ProbeOutput(NamedTuple):
    """Balanced accuracy of a slide probe, in [0, 1]: no batch effect in the means at chance, all of it at 1.

    Attributes:
        accuracy: Mean over the folds of the balanced accuracy on the fold left out.
        chance: One over the number of slides. Accuracy falls *below* it when every slide has the same mean: the spots that are
            left out then lie opposite to those that the classifier has seen.
        spread: Standard deviation over the folds.
    """

    accuracy: float
    chance: float
    spread: float


class ClusterProbeOutput(NamedTuple):
    """The slide probe inside clusters of like spots: the remainder when slides differ in composition.

    Attributes:
        accuracy: Mean over the clusters, NaN when none could be judged.
        chance: One over the number of slides.
        clusters: Number of clusters in which every slide has at least ten spots; the others are left out.
    """

    accuracy: float
    chance: float
    clusters: int


class SlideProbes(NamedTuple):
    """Slide probes of all embeddings.

    Attributes:
        chance: One over the number of slides.
        qc: Probe of quality-control figures alone.
        qc_and_raw: Probe of these and the raw embedding, fitted on all slides.
        embeddings: Embedding -> ``probe``, ``probe_squares`` (the channels and their squares), ``within_cluster``, with
            ``..._spread`` over folds and the number of ``clusters``.
    """

    chance: float
    qc: ProbeOutput
    qc_and_raw: ProbeOutput
    embeddings: dict[str, Scored]


def slide_probe(
    x: FloatArray, labels: Sequence[Any] | NDArray[Any], *, folds: int = FOLDS, seed: int = 0
) -> ProbeOutput:
    """Multinomial logistic regression on standardised channels, stratified folds, classes weighted equally.

    Args:
        x: Embedding or any other description of the spots of all slides, shape (n, c), finite.
        labels: Slide of each spot, shape (n,); at least two slides.
        folds: Number of folds, at least 2; fewer where the smallest slide has fewer spots.
        seed: Seed of the folds.

    Returns:
        Accuracy, chance and spread over folds.

    Raises:
        InputError: unless there are two or more slides of two or more spots each, and one finite row per label.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values, label = _checked(x, labels)
    counts = np.bincount(label)
    expect(folds >= 2, f"expected at least two folds, found {folds}; raise it.")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    splits = StratifiedKFold(min(folds, int(counts.min())), shuffle=True, random_state=seed)
    scores = cross_val_score(model, values, label, cv=splits, scoring="balanced_accuracy")
    return ProbeOutput(float(scores.mean()), 1.0 / len(counts), float(scores.std()))


def within_cluster_probe(
    x: FloatArray,
    labels: Sequence[Any] | NDArray[Any],
    clusters: IntArray,
    *,
    seed: int = 0,
) -> ClusterProbeOutput:
    """:func:`slide_probe` inside each cluster in which every slide has at least ten spots, averaged.

    Args:
        x: Embedding of the spots of all slides, shape (n, c).
        labels: Slide of each spot, shape (n,).
        clusters: Cluster of each spot, shape (n,).
        seed: As in :func:`slide_probe`.

    Returns:
        Mean accuracy, chance and the number of clusters judged.

    Raises:
        InputError: as :func:`slide_probe`, and unless there is one cluster per spot.
    """
    values, label = _checked(x, labels)
    expect(
        len(clusters) == len(label),
        f"expected one cluster for each of {len(label)} spots, found {len(clusters)}; pass them all.",
    )
    slides = int(label.max()) + 1
    scores = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        if np.bincount(label[inside], minlength=slides).min() >= MIN_CLUSTER_SPOTS:
            scores.append(slide_probe(values[inside], label[inside], seed=seed).accuracy)
    return ClusterProbeOutput(float(np.mean(scores)) if scores else float("nan"), 1.0 / slides, len(scores))


def _checked(x: FloatArray, labels: Sequence[Any] | NDArray[Any]) -> tuple[FloatArray, IntArray]:
    values = np.asarray(x, dtype=np.float64)
    names, label = np.unique(np.asarray(labels), return_inverse=True)
    expect(
        values.ndim == 2 and len(values) == len(label) and bool(np.isfinite(values).all()),
        f"expected finite values of shape ({len(label)}, channels), found shape {values.shape}; "
        "pass one row per label.",
    )
    few = np.bincount(label).min() if len(names) else 0
    expect(
        len(names) >= 2 and few >= 2,
        f"expected two or more slides of two or more spots each, found {len(names)} slide(s), "
        f"the smallest of {few} spot(s); pass more.",
    )
    return values, label.reshape(-1)


def _measure(subject: SlidesSubject) -> SlideProbes:
    labels, seed = subject.labels, subject.seed

    def together(xs: Sequence[Tensor]) -> Numbers:
        values = torch.cat(list(xs)).numpy()
        linear = slide_probe(values, labels, seed=seed)
        squares = slide_probe(np.concatenate([values, values**2], axis=1), labels, seed=seed)
        inside = within_cluster_probe(values, labels, subject.clusters, seed=seed)
        return {
            "probe": linear.accuracy,
            "probe_spread": linear.spread,
            "probe_squares": squares.accuracy,
            "probe_squares_spread": squares.spread,
            "within_cluster": inside.accuracy,
            "clusters": float(inside.clusters),
        }

    qc = np.concatenate([qc_features(slide) for slide in subject.slides])
    raw = subject.embedding(RAW).fitted
    assert raw is not None
    both = np.concatenate([qc, torch.cat([raw.xs[slide.name] for slide in subject.slides]).numpy()], axis=1)
    alone, with_raw = (slide_probe(values, labels, seed=seed) for values in (qc, both))
    return SlideProbes(subject.chance, alone, with_raw, score_embeddings(subject, together))


def _tables(record: SlideProbes) -> Mapping[str, pd.DataFrame]:
    columns = {"probe": "linear", "probe_squares": "with squares", "within_cluster": "inside clusters"}
    alone = pd.DataFrame(
        {"linear": [record.qc.accuracy, record.qc_and_raw.accuracy]},
        index=["quality control alone", f"quality control and {RAW}"],
    )
    title = (
        f"Slide probe (logistic regression, {FOLDS} folds, balanced accuracy; chance {record.chance:.3f}, lower is better). "
        "A linear probe is blind to\nslides that are centred, and at or below chance on them; with the squares of the channels "
        "it is not"
    )
    return {title: embedding_table(record.embeddings, columns), "Slide probe without embedding": alone}


def _draw(record: SlideProbes, figure: Figure) -> None:
    """The corrections of PCA-50 that the report compares, with chance."""
    figure.set_size_inches(12.5, 3.8)
    panels = figure.subplots(1, len(PANELS), sharey=True)
    names = [name for name in CORRECTIONS if name in record.embeddings]
    for axes, (key, title) in zip(panels, PANELS.items(), strict=True):
        rows = [record.embeddings[name].summary for name in names]
        values = {kind: [(row[kind] or {}).get(key) for row in rows] for kind in BARS}
        draw_grouped_bars(axes, [name.removesuffix(" PCA-50") for name in names], values)
        axes.axhline(record.chance, color="black", lw=0.8, ls="--", label="chance")
        if key == "probe":
            axes.axhline(record.qc.accuracy, color=PALETTE[4], lw=1.2, ls=":", label="quality control alone")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.08)
    panels[0].set_ylabel("slide probe on PCA-50")
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def _requirements(record: SlideProbes) -> list[Requirement]:
    """For encoders fitted elsewhere, on the slides that they have seen (as published), else on the others."""
    found = []
    for name, one in record.embeddings.items():
        numbers = one.summary["fitted"] or one.summary["held_out"]
        if one.given and numbers:
            found.append(LIMITS["probe"].requirement(numbers["probe"], name))
    return found


PROBE = Probe("slide_probe", _measure, _tables, _draw, _requirements)
