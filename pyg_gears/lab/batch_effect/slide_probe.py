"""How well a linear classifier tells from an embedding which slide a spot is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyg_gears.errors import expect
from pyg_gears.typing import FloatArray, IntArray

FOLDS = 5
MIN_CLUSTER_SPOTS = 10


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
    """The slide probe inside clusters of like spots: what remains when slides differ in composition.

    Attributes:
        accuracy: Mean over the clusters, NaN when none could be judged.
        chance: One over the number of slides.
        clusters: Number of clusters in which every slide has at least ten spots; the others are left out.
    """

    accuracy: float
    chance: float
    clusters: int


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
        InputError: unless there are two or more slides of two or more spots each, and one finite row a label.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold

    values, label = _checked(x, labels)
    counts = np.bincount(label)
    expect(folds >= 2, f"slide_probe expected at least two folds, found {folds}; raise it.")
    splits = StratifiedKFold(min(folds, int(counts.min())), shuffle=True, random_state=seed)
    scores = []
    for train, test in splits.split(values, label):
        mean, std = values[train].mean(axis=0), values[train].std(axis=0)
        std[std < 1e-9 * np.abs(mean) + 1e-12] = 1.0
        classifier = LogisticRegression(class_weight="balanced", max_iter=2000)
        classifier.fit((values[train] - mean) / std, label[train])
        scores.append(balanced_accuracy_score(label[test], classifier.predict((values[test] - mean) / std)))
    return ProbeOutput(float(np.mean(scores)), 1.0 / len(counts), float(np.std(scores)))


def within_cluster_probe(
    x: FloatArray,
    labels: Sequence[Any] | NDArray[Any],
    clusters: IntArray,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> ClusterProbeOutput:
    """:func:`slide_probe` inside each cluster in which every slide has at least ten spots, averaged.

    Args:
        x: Embedding of the spots of all slides, shape (n, c).
        labels: Slide of each spot, shape (n,).
        clusters: Cluster of each spot, shape (n,).
        folds: As in :func:`slide_probe`.
        seed: As in :func:`slide_probe`.

    Returns:
        Mean accuracy, chance and the number of clusters judged.

    Raises:
        InputError: as :func:`slide_probe`, and unless there is one cluster a spot.
    """
    values, label = _checked(x, labels)
    expect(
        len(clusters) == len(label),
        f"within_cluster_probe expected one cluster for each of {len(label)} spots, found {len(clusters)}; pass them all.",
    )
    slides = int(label.max()) + 1
    scores = []
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        if np.bincount(label[inside], minlength=slides).min() >= MIN_CLUSTER_SPOTS:
            scores.append(slide_probe(values[inside], label[inside], folds=folds, seed=seed).accuracy)
    return ClusterProbeOutput(float(np.mean(scores)) if scores else float("nan"), 1.0 / slides, len(scores))


def _checked(x: FloatArray, labels: Sequence[Any] | NDArray[Any]) -> tuple[FloatArray, IntArray]:
    values = np.asarray(x, dtype=np.float64)
    names, label = np.unique(np.asarray(labels), return_inverse=True)
    expect(
        values.ndim == 2 and len(values) == len(label) and bool(np.isfinite(values).all()),
        f"slide_probe expected finite values of shape ({len(label)}, channels), found shape {values.shape}; "
        "pass one row a label.",
    )
    few = np.bincount(label).min() if len(names) else 0
    expect(
        len(names) >= 2 and few >= 2,
        f"slide_probe expected two or more slides of two or more spots each, found {len(names)} slide(s), "
        f"the smallest of {few} spot(s); pass more.",
    )
    return values, label.reshape(-1)
