"""Programmes of the user's gene sets: whether their level differs between slides, and whether slides differ along them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import sparse

from pyg_gears.encoders.centering import gene_statistics, normalize_expression
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders.figure_parts import plain_axes, slide_color, slide_legend
from pyg_gears.lab.encoders.slide_graph import slide_graph
from pyg_gears.lab.encoders.subject import SlidesSubject
from pyg_gears.lab.probe import NotMeasurable, Probe
from pyg_gears.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MIN_STD = 1e-6


class Programme(NamedTuple):
    """One gene set on all slides. A spot's score is the mean of its genes, each standardised over all spots.

    Attributes:
        name: Name of the set.
        listed: Genes that the file lists.
        genes: Those that all slides share and that vary.
        level: Mean score of each slide, shape (s,), in standard deviations of a gene.
        between: Share of the score's variance that lies between slides, in [0, 1].
        inside: The same inside clusters of like spots: what is left for slides of one composition.
        moran: Moran's I of the score on each slide, shape (s,).
        gene_moran: Gene -> Moran's I of its expression on each slide.
        cosine: Cosine of the set's direction with each slide's shift from the mean of all, shape (s,), in [-1, 1].
        cosine_z: The cosine in standard deviations of random sets of as many genes, shape (s,).
    """

    name: str
    listed: int
    genes: tuple[str, ...]
    level: FloatArray
    between: float
    inside: float
    moran: FloatArray
    gene_moran: dict[str, tuple[float, ...]]
    cosine: FloatArray
    cosine_z: FloatArray


class Programmes(NamedTuple):
    """All programmes.

    Attributes:
        slides: Names of the slides.
        programmes: The programmes of which a gene is measured.
        absent: Names of the others.
        between_chance: Share of variance between slides that spots drawn one by one would have.
        inside_chance: The same inside clusters.
    """

    slides: tuple[str, ...]
    programmes: tuple[Programme, ...]
    absent: tuple[str, ...]
    between_chance: float
    inside_chance: float


def between_share(values: Float[np.ndarray, " n"], labels: IntArray, groups: IntArray | None = None) -> float:
    r"""Share of a variance that lies between slides, by default of the whole, else inside groups.

    .. math:: \frac{\sum_k \sum_s n_{sk} (\bar v_{sk} - \bar v_k)^2}{\sum_i (v_i - \bar v_{k(i)})^2}

    Args:
        values: Values of the spots, shape (n,).
        labels: Slide of each spot, shape (n,).
        groups: Group k of each spot, shape (n,); one group if omitted.
    """
    frame = pd.DataFrame({"v": values, "s": labels, "k": 0 if groups is None else groups})
    inside = frame["v"] - frame.groupby("k")["v"].transform("mean")
    shift = frame.groupby(["k", "s"])["v"].transform("mean") - frame.groupby("k")["v"].transform("mean")
    return float(shift.pow(2).sum() / max(inside.pow(2).sum(), 1e-300))


def chance_share(labels: IntArray, groups: IntArray | None = None) -> float:
    r"""About the mean of :func:`between_share` for spots without any difference: :math:`\sum_k (S_k - 1) / (n - K)`.

    Args:
        labels: Slide of each spot, shape (n,).
        groups: Group k of each spot, shape (n,), with :math:`S_k` slides in each; one group if omitted.
    """
    frame = pd.DataFrame({"s": labels, "k": 0 if groups is None else groups})
    slides = frame.groupby("k")["s"].nunique()
    return float((slides - 1).sum() / max(len(frame) - len(slides), 1))


def direction_cosines(
    shift: Float[np.ndarray, "s g"], chosen: IntArray
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
    r"""Cosine of shifts with the indicator of some genes, and how unusual it is among random sets of that size.

    .. math:: \cos_s = \frac{\sum_{g \in P} d_{sg}}{\sqrt{m}\, \|d_s\|}, \quad
        \mathrm{E} = \frac{\sqrt m\, \bar d_s}{\|d_s\|}, \quad
        \mathrm{Var} = \frac{\sigma_s^2}{\|d_s\|^2} \frac{G - m}{G - 1}

    over draws of m of the G genes without replacement; :math:`\sigma_s^2` is the variance of d over genes.

    Args:
        shift: Standardised shift d of each slide and gene, shape (s, g).
        chosen: Columns of the m genes.

    Returns:
        Cosines, and their distance from E in standard deviations: NaN where all genes are chosen, or shift alike.
    """
    length, m, total = np.linalg.norm(shift, axis=1), len(chosen), shift.shape[1]
    safe = np.maximum(length, 1e-300)
    cosine = shift[:, chosen].sum(axis=1) / (np.sqrt(m) * safe)
    mean = np.sqrt(m) * shift.mean(axis=1) / safe
    spread = shift.std(axis=1) / safe * np.sqrt((total - m) / max(total - 1, 1))
    return cosine, np.divide(cosine - mean, spread, out=np.full_like(cosine, np.nan), where=spread > 1e-12)


def _measure(subject: SlidesSubject) -> Programmes:
    if not subject.gene_sets:
        raise NotMeasurable("expected gene sets, found none; name a file with --gene-sets.")
    names = tuple(slide.name for slide in subject.slides)
    parts = [normalize_expression(slide).astype(np.float64) for slide in subject.slides]
    whole = gene_statistics(sparse.csr_array(sparse.vstack(parts)))
    varies = np.flatnonzero(whole.std > MIN_STD)
    place = {subject.slides[0].genes[g]: i for i, g in enumerate(varies)}
    mean, std = whole.mean[varies], whole.std[varies]
    shift = np.stack([(gene_statistics(part).mean[varies] - mean) / std for part in parts])
    graphs = [slide_graph(slide) for slide in subject.slides]
    labels, found, absent = subject.labels, [], []
    for name, listed in subject.gene_sets.items():
        genes = tuple(gene for gene in listed if gene in place)
        if not genes:
            absent.append(name)
            continue
        chosen = np.array([place[gene] for gene in genes])
        values = [(part[:, varies[chosen]].toarray() - mean[chosen]) / std[chosen] for part in parts]
        scores = [value.mean(axis=1) for value in values]
        pooled = np.concatenate(scores)
        genewise = np.stack([morans_i(value, graph) for value, graph in zip(values, graphs, strict=True)], axis=1)
        cosine, z = direction_cosines(shift, chosen)
        found.append(
            Programme(
                name,
                len(listed),
                genes,
                np.array([score.mean() for score in scores]),
                between_share(pooled, labels),
                between_share(pooled, labels, subject.clusters),
                np.array([float(morans_i(score, graph)) for score, graph in zip(scores, graphs, strict=True)]),
                {gene: tuple(row.tolist()) for gene, row in zip(genes, genewise, strict=True)},
                cosine,
                z,
            )
        )
    if not found:
        raise NotMeasurable("expected a gene of the sets that varies over the spots, found none; name others.")
    chance, inside_chance = chance_share(labels), chance_share(labels, subject.clusters)
    return Programmes(names, tuple(found), tuple(absent), chance, inside_chance)


def _tables(record: Programmes) -> Mapping[str, pd.DataFrame]:
    rows = {}
    for one in record.programmes:
        far = int(np.argmax(np.abs(one.cosine)))
        largest = int(np.argmax(np.abs(one.level)))
        rows[one.name] = (
            f"{len(one.genes)} of {one.listed}",
            float(one.level.min()),
            float(one.level.max()),
            one.between,
            one.inside,
            float(np.nanmean(one.moran)) if np.isfinite(one.moran).any() else float("nan"),
            float(one.cosine[far]),
            float(one.cosine_z[far]),
            record.slides[largest],
        )
    columns = [
        *("genes", "lowest level", "highest level", "between slides", "inside clusters"),
        *("Moran's I", "cosine", "in std", "farthest slide"),
    ]
    title = (
        "Programmes: mean level of slides, share of variance between slides (by chance "
        f"{record.between_chance:.4f}, inside clusters {record.inside_chance:.4f}),\nMoran's I, cosine with the slide's shift "
        "(and in standard deviations of random sets of as many genes)"
    )
    if record.absent:
        title += f";\nnone of the genes of {', '.join(record.absent)} is measured"
    return {title: pd.DataFrame.from_dict(rows, orient="index", columns=columns)}


def _draw(record: Programmes, figure: Figure) -> None:
    """Level of each slide and Moran's I of the score on it, a line a programme."""
    figure.set_size_inches(9.6, 1.9 + 0.34 * len(record.programmes))
    names = [one.name if len(one.name) <= 34 else one.name[:32] + "..." for one in record.programmes]
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key, label in (
        (panels[0], "level", "mean score of the slide (std of a gene)"),
        (panels[1], "moran", "Moran's I of the score"),
    ):
        for line, one in enumerate(record.programmes):
            for number, value in enumerate(getattr(one, key)):
                axes.scatter(value, line, s=34, color=slide_color(number), zorder=3)
        axes.grid(axis="y", color="#EEEEEE", lw=6, zorder=0)
        axes.set_axisbelow(True)
        axes.axvline(0.0, color="black", lw=0.8, ls="--")
        axes.set(xlabel=label)
        plain_axes(axes)
    panels[0].set_yticks(range(len(names)), labels=names, fontsize=9)
    panels[0].invert_yaxis()
    slide_legend(figure, record.slides, marks=False)


PROBE = Probe("programmes", _measure, _tables, _draw)
