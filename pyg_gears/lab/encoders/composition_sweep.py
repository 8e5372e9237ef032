"""Composition by the number of clusters: how slides differ in it, and how far it alone tells them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from pyg_gears.lab.encoders.comparison_rows import fit_pca, fit_pooled
from pyg_gears.lab.encoders.composition import CompositionTest, composition_test, soft_membership
from pyg_gears.lab.encoders.figure_parts import plain_axes
from pyg_gears.lab.encoders.slide_probe import slide_probe, within_cluster_probe
from pyg_gears.lab.encoders.subject import KINDS, Numbers, SlidesSubject
from pyg_gears.lab.probe import Probe
from pyg_gears.report.figure_style import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLUSTERS = (8, 10, 20, 30, 50)
SPOTS_A_CLUSTER = 20
GUIDE = 20
COLUMNS = {
    "cramers_v": "Cramer's V",
    "cramers_v_chance": "V by chance",
    "tvd": "TVD",
    "tvd_chance": "TVD by chance",
    "one_hot": "one-hot probe",
    "soft": "soft probe",
    "raw_inside": "raw inside",
    "centred_inside": "centred inside",
}


class Composition(NamedTuple):
    """Composition of the slides.

    Attributes:
        slides: Names of the slides.
        chance: Accuracy of a slide probe that knows nothing.
        clusters: Numbers of clusters K.
        tests: The test for each K, clusters of a fit to all slides.
        fitted: For each K the numbers of this fit: Cramer's V and TVD, with their values by chance; slide probe from the cluster
            alone (``one_hot``) and from the memberships (``soft``); slide probe of raw and centred PCA-50 inside clusters.
        held_out: The same for components and clusters that leave slides out, mean over the folds.
    """

    slides: tuple[str, ...]
    chance: float
    clusters: tuple[int, ...]
    tests: tuple[CompositionTest, ...]
    fitted: tuple[Numbers, ...]
    held_out: tuple[Numbers, ...]


def _measure(subject: SlidesSubject) -> Composition:
    """Clusters of like spots: k-means on 20 components of slides that are each centred, so that slides are no clusters."""
    least = min(sum(len(slide) for slide in train) for _, train in subject.splits())
    counts = tuple(count for count in CLUSTERS if count * SPOTS_A_CLUSTER <= least) or CLUSTERS[:1]
    splits = [_split(subject, [slide.name for slide in train], counts) for _, train in subject.splits()]
    folds = [
        {key: float(np.mean([numbers[i][key] for _, numbers in splits[1:]])) for key in COLUMNS}
        for i in range(len(counts))
    ]
    tests, fitted = splits[0]
    names = tuple(slide.name for slide in subject.slides)
    return Composition(names, subject.chance, counts, tests, fitted, tuple(folds))


def _split(
    subject: SlidesSubject, train_names: Sequence[str], counts: Sequence[int]
) -> tuple[tuple[CompositionTest, ...], tuple[Numbers, ...]]:
    from sklearn.cluster import KMeans

    train = [slide for slide in subject.slides if slide.name in train_names]
    seen = np.isin(subject.labels, [i for i, slide in enumerate(subject.slides) if slide.name in train_names])
    encoders = (fit_pca(train, GUIDE, "pca"), fit_pooled(train, 50), fit_pca(train, 50, "pca"))
    guide, raw, centred = (torch.cat([one.encode(slide) for slide in subject.slides]).double() for one in encoders)
    tests, numbers = [], []
    for count in counts:
        means = KMeans(count, n_init=4, random_state=subject.seed).fit(guide[seen].numpy())
        centers = torch.from_numpy(means.cluster_centers_)
        cluster = torch.cdist(guide, centers).argmin(dim=1).numpy()
        test = composition_test(cluster, subject.labels, seed=subject.seed)
        hot = np.eye(count)[cluster]
        one_hot, soft = (
            slide_probe(x, subject.labels, seed=subject.seed).accuracy
            for x in (hot, soft_membership(guide, centers).numpy())
        )
        inside = (
            within_cluster_probe(x.numpy(), subject.labels, cluster, seed=subject.seed).accuracy for x in (raw, centred)
        )
        found = (test.cramers_v, test.cramers_v_chance, test.mean_tvd, test.tvd_chance, one_hot, soft, *inside)
        tests.append(test)
        numbers.append(dict(zip(COLUMNS, found, strict=True)))
    return tuple(tests), tuple(numbers)


def _tables(record: Composition) -> Mapping[str, pd.DataFrame]:
    rows = {
        (f"K = {count}", label): [getattr(record, kind)[i][key] for key in COLUMNS]
        for i, count in enumerate(record.clusters)
        for kind, label in KINDS.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS.values()))
    tests = pd.DataFrame(
        [(one.chi2, one.degrees, one.p) for one in record.tests],
        index=[f"K = {count}" for count in record.clusters],
        columns=["chi-square", "degrees", "p"],
    )
    title = (
        f"Composition in K clusters of like spots: difference of slides, slide probe from the cluster alone and from soft\n"
        f"memberships, and of PCA-50 inside the clusters (chance {record.chance:.3f})"
    )
    return {
        title: frame.set_axis(pd.MultiIndex.from_tuples(rows)),
        "Chi-square of cluster and slide (spots of a section are no independent draws: p is far too small)": tests,
    }


def _draw(record: Composition, figure: Figure) -> None:
    """Shares of the clusters of the least K on each slide, the slides' distances, and the probes by K."""
    figure.set_size_inches(12.5, 3.9)
    shares, distances, probes = figure.subplots(1, 3)
    test = record.tests[0]
    part = test.counts / test.counts.sum(axis=1, keepdims=True)
    from matplotlib import colormaps

    left = np.zeros(len(part))
    for k in range(part.shape[1]):
        color = colormaps["tab20"](k % 20)
        shares.barh(record.slides, part[:, k], left=left, color=color, edgecolor="white", lw=0.5)
        left += part[:, k]
    shares.invert_yaxis()
    shares.set(xlim=(0, 1), xlabel="share of spots")
    shares.set_title(f"composition, K = {record.clusters[0]}", fontsize=10)
    image = distances.imshow(test.tvd, cmap="cividis", vmin=0, vmax=1)
    figure.colorbar(image, ax=distances, shrink=0.8)
    distances.set_xticks(range(len(record.slides)), labels=record.slides, rotation=45, ha="right", fontsize=8)
    distances.set_yticks(range(len(record.slides)), labels=record.slides, fontsize=8)
    distances.set_title(f"total variation distance (by chance {test.tvd_chance:.2f})", fontsize=10)
    if len(record.slides) <= 8:
        for (i, j), value in np.ndenumerate(test.tvd):
            distances.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=9, color="white" if value < 0.5 else "black"
            )
    lines = {
        "one_hot": "cluster alone",
        "soft": "soft membership",
        "raw_inside": "raw, inside",
        "centred_inside": "centred, inside",
    }
    ticks = [str(count) for count in record.clusters]
    for (key, label), line_color in zip(lines.items(), PALETTE, strict=False):
        probes.plot(ticks, [numbers[key] for numbers in record.held_out], marker="o", color=line_color, label=label)
    probes.axhline(record.chance, color="black", lw=0.8, ls="--", label="chance")
    probes.set(xlabel="clusters K", ylim=(0, 1.05))
    probes.set_title("slide probe, slide not seen by the fit", fontsize=10)
    plain_axes(shares)
    plain_axes(probes)
    figure.legend(*probes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False, fontsize=9)


PROBE = Probe("composition", _measure, _tables, _draw)
