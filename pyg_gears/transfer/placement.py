"""How a fragment lies at its destination: rotation, side, and back inside the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_gears.transfer.fragments import Fragment, local_axis
from pyg_gears.transfer.motions import inside_shift, rotate, translate, turn_between, turn_vectors
from pyg_gears.transfer.strategy import Strategy

QUARTER = (0.0, 1.0)
"""Cosine and sine of a quarter turn."""


class Placement(NamedTuple):
    """Cosine and sine of the rotation, and where the centroid goes."""

    turn: Float[Tensor, " 2"]
    centre: Float[Tensor, " 2"]


def rotation_of(fragment: Fragment, destination: Fragment, strategy: Strategy, spacing: float) -> Float[Tensor, " 2"]:
    """Cosine and sine of the angle a fragment is turned by.

    Args:
        fragment: What is placed.
        destination: The target's unit.
        strategy: Its ``rotation`` is read.
        spacing: Of the target's nodes; a curve's direction is that of 5 spacings around.
    """
    if strategy.rotation == "none":
        return torch.tensor([1.0, 0.0], dtype=torch.float64)
    if strategy.rotation == "turn":
        return torch.tensor(QUARTER, dtype=torch.float64)
    along = destination.axis
    if strategy.rotation == "curve":
        along = local_axis(destination.pos, torch.zeros(2, dtype=torch.float64), 5 * spacing)
    return turn_between(fragment.axis, torch.stack([-along[1], along[0]]))


def place_all(
    fragments: Sequence[Fragment],
    destinations: Sequence[Fragment],
    target_pos: Float[Tensor, "n 2"],
    strategy: Strategy,
    spacing: float,
) -> list[Placement]:
    """Where every fragment goes; each is placed without a look at what the others write.

    With ``translation = "sparse"`` everything is first placed centre on centre; the side of each fragment is then the one
    around which fewer nodes of the other fragments lie in that first placement.

    Args:
        fragments: What is placed.
        destinations: Where, one each.
        target_pos: Places of the target's nodes, shape (n, 2).
        strategy: Its ``rotation`` and ``translation`` are read.
        spacing: Of the target's nodes.

    Returns:
        One placement each; a fragment that would leave the target is moved back by the least shift.
    """
    low, high = target_pos.amin(dim=0), target_pos.amax(dim=0)
    turns = [rotation_of(f, d, strategy, spacing) for f, d in zip(fragments, destinations, strict=True)]
    shapes = [rotate(f.pos, turn) for f, turn in zip(fragments, turns, strict=True)]

    def settled(shape: Tensor, centre: Tensor) -> Tensor:
        return centre + inside_shift(translate(shape, centre), low, high)

    centres = [settled(shape, d.centroid) for shape, d in zip(shapes, destinations, strict=True)]
    if strategy.translation != "none" and fragments:
        first = [translate(shape, centre) for shape, centre in zip(shapes, centres, strict=True)]
        crowd = cKDTree(torch.cat(first).numpy())
        for number, (fragment, turn, d) in enumerate(zip(fragments, turns, destinations, strict=True)):
            # Along its own axis, which lies across the destination where it was turned to.
            step = fragment.length / 2 * turn_vectors(fragment.axis[None], turn)[0]
            plus, minus = (settled(shapes[number], d.centroid + sign * step) for sign in (1, -1))
            centres[number] = plus
            if strategy.translation == "sparse":
                reach = fragment.length / 2
                around = [_density(crowd, first[number], at, reach) for at in (plus, minus)]
                centres[number] = minus if around[1] < around[0] else plus
    return [Placement(turn, centre) for turn, centre in zip(turns, centres, strict=True)]


def _density(crowd: cKDTree, own: Tensor, centre: Tensor, reach: float) -> int:
    """Placed nodes of the others within reach."""
    return len(crowd.query_ball_point(centre.numpy(), reach)) - int(((own - centre).norm(dim=1) <= reach).sum())
