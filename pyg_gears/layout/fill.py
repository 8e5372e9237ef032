"""The even-filling prior: tissue fills its area evenly, while a learned layout contracts towards its middle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pyg_gears.errors import expect

EXACT_BELOW = 2000
"""Cells up to which the assignment is exact (n^3 time at worst)."""
DIRECTIONS = 96
"""Projections of the sliced transport."""


def fill_evenly(pos: Float[np.ndarray, "n 2"], strength: float) -> Float[np.ndarray, "n 2"]:
    """Move a layout part of the way towards an evenly filled disc, by optimal transport.

    Every cell is assigned a place of the disc so that the sum of squared displacements is least: exactly up to 2000 cells,
    above by sliced transport (the sorted projections on 96 directions in turn are moved onto those of the disc). The disc has
    the layout's centre and root mean square radius, and refers to no reference section.

    Args:
        pos: Layout, shape (n, 2).
        strength: Share of the way, in [0, 1]; 0 returns the layout. Half way gained 0.00 to 0.02 Spearman on real
            sections whose layouts were contracted; all the way lost.

    Returns:
        Layout, shape (n, 2).

    Raises:
        InputError: for a strength outside [0, 1].

    Source: sliced transport after Rabin, Peyré, Delon and Bernot (2011), "Wasserstein barycenter and its application to
    texture mixing"; the use as a soft prior on a layout is ours.
    """
    expect(0 <= strength <= 1, f"expected a filling strength in [0, 1], found {strength}; it is a share of the way.")
    n = len(pos)
    if strength == 0 or n < 3:
        return pos.copy()
    centre = pos.mean(axis=0)
    radius = float(np.sqrt(((pos - centre) ** 2).sum(axis=1).mean()))
    disc = radius * even_disc(n)
    places = (_assign if n <= EXACT_BELOW else _slide)(pos - centre, disc)
    return centre + (1 - strength) * (pos - centre) + strength * places


def even_disc(n: int) -> Float[np.ndarray, "n 2"]:
    """Points that fill a disc evenly (a sunflower spiral), centred, root mean square radius 1, shape (n, 2)."""
    index = np.arange(n) + 0.5
    angle = index * np.pi * (3 - np.sqrt(5))
    disc = np.sqrt(index)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    disc -= disc.mean(axis=0)
    scaled: Float[np.ndarray, "n 2"] = disc / np.sqrt((disc**2).sum(axis=1).mean())
    return scaled


def _assign(pos: Float[np.ndarray, "n 2"], disc: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    # Squared distances, and the rim first: the same assignment as that of the products, found in a fifth of the time.
    rim_first = disc[::-1]
    _, cell = linear_sum_assignment(cdist(rim_first, pos, "sqeuclidean"))
    places = np.empty_like(disc)
    places[cell] = rim_first
    return places


def _slide(pos: Float[np.ndarray, "n 2"], disc: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    moved = pos.copy()
    for turn in range(DIRECTIONS):
        # Pairs of directions at right angles, turned by the golden section of a quarter circle.
        angle = np.pi / 2 * ((turn // 2) * 0.6180339887498949 % 1.0) + np.pi / 2 * (turn % 2)
        axis = np.array([np.cos(angle), np.sin(angle)])
        along = moved @ axis
        order = np.argsort(along, kind="stable")
        moved[order] += (np.sort(disc @ axis) - along[order])[:, None] * axis
    return moved
