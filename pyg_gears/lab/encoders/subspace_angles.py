"""Principal angles between the slides' leading directions, in each embedding and in gene space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders.centering import normalize_expression
from pyg_gears.errors import expect
from pyg_gears.lab.encoders.comparison_rows import on_variable_genes
from pyg_gears.lab.encoders.subject import Numbers, Scored, SlidesSubject, embedding_table, score_embeddings
from pyg_gears.lab.probe import Probe
from pyg_gears.typing import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMPONENTS = 10
GENE_COMPONENTS = 20


class SubspaceAngles(NamedTuple):
    """Principal angles between the slides' spans of leading components, in degrees (0 the same, 90 nothing in common).

    Attributes:
        degrees: All angles, ascending, shape (s, s, c); zero between a slide and itself.
        halves: Mean angle between random halves of the slides' spots, shape (s, s): half of one slide against the other half of
            the other, and on the diagonal two halves of one slide. The diagonal is the effect of sampling alone.
    """

    degrees: Float[np.ndarray, "s s c"]
    halves: Float[np.ndarray, "s s"]

    def summary(self) -> Numbers:
        """Mean angle ``between`` slides, between halves of two slides and between the ``halves`` of one slide."""
        off = ~np.eye(len(self.halves), dtype=bool)
        return {
            "between": float(self.degrees[off].mean()),
            "between_halves": float(self.halves[off].mean()),
            "own_halves": float(np.diag(self.halves).mean()),
        }


class SlideAngles(NamedTuple):
    """Principal angles of slides.

    Attributes:
        slides: Names of the slides.
        embeddings: Embedding -> mean angles of the ten leading directions, see :meth:`SubspaceAngles.summary`.
        genes: Angles of the twenty leading components in gene space.
    """

    slides: tuple[str, ...]
    embeddings: dict[str, Scored]
    genes: SubspaceAngles


def slide_subspace_angles(
    values: Sequence[FloatArray], *, components: int = COMPONENTS, seed: int = 0
) -> SubspaceAngles:
    """Principal angles between the spans of the slides' leading principal components.

    Each slide is centred by itself, so that a shift of means plays no part.

    Args:
        values: Embedding, or expression on common genes, of each slide, shape (n, c) each, at least four spots.
        components: Leading components of a slide; fewer where channels or spots are fewer.
        seed: Seed of the halves.

    Returns:
        Angles between slides, and between halves of slides.

    Raises:
        InputError: for another number of channels, or fewer than four spots.

    Source: Bjorck and Golub, Numerical methods for computing angles between linear subspaces, 1973.
    """
    channels = {value.shape[1] for value in values}
    least = min((len(value) for value in values), default=0)
    expect(
        len(channels) == 1 and least >= 4,
        f"expected slides of four or more spots on the same genes, found {sorted(channels)} genes and "
        f"{least} spots; use the shared genes.",
    )
    count = max(min(components, min(channels) - 1, least // 2 - 1), 1)
    generator = np.random.default_rng(seed)
    spans, first, second = [], [], []
    for value in values:
        order = generator.permutation(len(value))
        middle = len(value) // 2
        spans.append(_span(value, count, seed))
        first.append(_span(value[order[:middle]], count, seed))
        second.append(_span(value[order[middle:]], count, seed))
    slides = len(spans)
    degrees = np.zeros((slides, slides, count))
    halves = np.zeros((slides, slides))
    for i in range(slides):
        for j in range(i):
            degrees[i, j] = degrees[j, i] = _angles(spans[i], spans[j])
        for j in range(i + 1):
            crossed = (_angles(first[i], second[j]).mean() + _angles(second[i], first[j]).mean()) / 2
            halves[i, j] = halves[j, i] = crossed
    return SubspaceAngles(degrees, halves)


def _span(values: FloatArray, count: int, seed: int) -> FloatArray:
    from sklearn.decomposition import PCA

    return np.asarray(PCA(count, random_state=seed).fit(np.asarray(values, dtype=np.float64)).components_.T)


def _angles(a: FloatArray, b: FloatArray) -> FloatArray:
    from scipy.linalg import subspace_angles

    return np.rad2deg(subspace_angles(a, b))[::-1]


def _measure(subject: SlidesSubject) -> SlideAngles:
    def together(xs: Sequence[Tensor]) -> Numbers:
        return slide_subspace_angles([x.numpy() for x in xs], seed=subject.seed).summary()

    expression = [normalize_expression(slide).toarray() for slide in on_variable_genes(subject.slides)]
    genes = slide_subspace_angles(expression, components=GENE_COMPONENTS, seed=subject.seed)
    return SlideAngles(tuple(slide.name for slide in subject.slides), score_embeddings(subject, together), genes)


def _tables(record: SlideAngles) -> Mapping[str, pd.DataFrame]:
    columns = {
        "between": "between slides",
        "between_halves": "halves of two slides",
        "own_halves": "halves of one slide",
    }
    summary = record.genes.summary()
    genes = pd.DataFrame([[summary[key] for key in columns]], index=["genes"], columns=list(columns.values()))
    return {
        f"Principal angles of the {COMPONENTS} leading directions of embeddings, degrees (the last column is sampling)": (
            embedding_table(record.embeddings, columns)
        ),
        f"Principal angles of the {record.genes.degrees.shape[2]} leading components of expression, degrees": genes,
    }


def _draw(record: SlideAngles, figure: Figure) -> None:
    """Mean angles in gene space between halves of slides; the diagonal is the effect of sampling alone."""
    names, halves = record.slides, record.genes.halves
    size = 2.6 + 0.55 * min(len(names), 14)
    figure.set_size_inches(size + 0.6, size)
    axes = figure.subplots()
    image = axes.imshow(halves, cmap="cividis", vmin=0, vmax=90)
    figure.colorbar(image, ax=axes, shrink=0.85, label="degrees")
    axes.set_xticks(range(len(names)), labels=names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), labels=names, fontsize=8)
    title = "mean principal angle of leading components\n(half of one slide to half of the other)"
    axes.set_title(title, fontsize=10)
    if len(names) <= 8:
        for (i, j), value in np.ndenumerate(halves):
            color = "white" if value < 45 else "black"
            axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=9, color=color)


PROBE = Probe("subspace_angles", _measure, _tables, _draw)
