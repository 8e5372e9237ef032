"""Do the leading directions of expression point the same way on every slide?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import sparse

from pyg_gears.encoders.components import Block, principal_components
from pyg_gears.errors import expect
from pyg_gears.typing import FloatArray

COMPONENTS = 20


class SubspaceAngles(NamedTuple):
    """Principal angles between the slides' spans of leading components, in degrees (0 the same, 90 nothing in common).

    Attributes:
        degrees: All angles, ascending, shape (s, s, c); zero between a slide and itself.
        halves: Mean angle between random halves of the slides' spots, shape (s, s): half of one slide against the other half of
            the other, and on the diagonal two halves of one slide. The diagonal is what sampling alone does.
    """

    degrees: Float[np.ndarray, "s s c"]
    halves: Float[np.ndarray, "s s"]


def slide_subspace_angles(
    values: Sequence[FloatArray], *, components: int = COMPONENTS, seed: int = 0
) -> SubspaceAngles:
    """Principal angles between the spans of the slides' leading principal components in gene space.

    Each slide is centred by itself, so that a shift of gene means plays no part.

    Args:
        values: Normalised expression of each slide on common genes, shape (n, g) each, at least four spots.
        components: Leading components of a slide; fewer where genes or spots are fewer.
        seed: Seed of the halves.

    Returns:
        Angles between slides, and between halves of slides.

    Raises:
        InputError: for another number of genes, or fewer than four spots.

    Source: Bjorck and Golub, Numerical methods for computing angles between linear subspaces, 1973.
    """
    genes = {value.shape[1] for value in values}
    least = min((len(value) for value in values), default=0)
    expect(
        len(genes) == 1 and least >= 4,
        f"slide_subspace_angles expected slides of four or more spots on the same genes, found {sorted(genes)} genes and "
        f"{least} spots; use the shared genes.",
    )
    count = max(min(components, min(genes) - 1, least // 2 - 1), 1)
    generator = np.random.default_rng(seed)
    spans, first, second = [], [], []
    for value in values:
        order = generator.permutation(len(value))
        middle = len(value) // 2
        spans.append(_span(value, count))
        first.append(_span(value[order[:middle]], count))
        second.append(_span(value[order[middle:]], count))
    slides = len(spans)
    degrees = np.zeros((slides, slides, spans[0].shape[1]))
    halves = np.zeros((slides, slides))
    for i in range(slides):
        for j in range(i):
            degrees[i, j] = degrees[j, i] = _angles(spans[i], spans[j])
        for j in range(i + 1):
            crossed = (_angles(first[i], second[j]).mean() + _angles(second[i], first[j]).mean()) / 2
            halves[i, j] = halves[j, i] = crossed
    return SubspaceAngles(degrees, halves)


def _span(values: FloatArray, count: int) -> FloatArray:
    centred = np.asarray(values, dtype=np.float64) - np.mean(values, axis=0, dtype=np.float64)
    # Principal components look at no graph.
    return principal_components([Block(centred, sparse.csr_array((len(centred), len(centred))))], count)


def _angles(a: FloatArray, b: FloatArray) -> FloatArray:
    from scipy.linalg import subspace_angles

    return np.rad2deg(subspace_angles(a, b))[::-1]
