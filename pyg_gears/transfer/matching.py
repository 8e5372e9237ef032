"""WHERE and WHAT: destinations on the target, and which unit of the sample goes to each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.transfer.activation import activation
from pyg_gears.transfer.described_graph import DescribedGraph
from pyg_gears.transfer.strategy import Strategy
from pyg_gears.transfer.units import low_gate, seeded_units, units_of


class Match(NamedTuple):
    """A destination (nodes of the target), the unit of the sample that goes there (nodes of the sample), both signatures."""

    destination: Int[Tensor, " _"]
    unit: Int[Tensor, " _"]
    where: Float[Tensor, " k"]
    what: Float[Tensor, " k"]


def destinations(described: DescribedGraph, strategy: Strategy) -> list[Int[Tensor, " _"]]:
    """Where structure goes: units of the target's contours, in a fixed order."""
    return _units(described, strategy.where, strategy)


def sample_units(described: DescribedGraph, strategy: Strategy) -> list[Int[Tensor, " _"]]:
    """What can go there: units of the sample's contours."""
    return _units(described, strategy.what, strategy)


def self_activity(described: DescribedGraph) -> Float[Tensor, " n"]:
    """Activation of the contours by the graph's own attention."""
    values = described.contours.double()[:, None]
    return activation(described.phi, described.phi, values)[:, 0]


def _units(described: DescribedGraph, kind: str, strategy: Strategy) -> list[Tensor]:
    pos, spacing = described.graph.pos, described.spacing
    nodes = described.contours
    if kind == "seeds":
        activity = self_activity(described)
        return seeded_units(activity, nodes, pos, spacing, seeds=strategy.seeds, least=strategy.least)
    if kind == "low_gate":
        nodes = low_gate(self_activity(described), nodes, strategy.low_gate)
    return units_of(nodes, pos, spacing, strategy.least)


def match_units(
    where: list[Int[Tensor, " _"]],
    what: list[Int[Tensor, " _"]],
    target: DescribedGraph,
    sample: DescribedGraph,
    aligned: Float[Tensor, "n k"],
    strategy: Strategy,
) -> list[Match]:
    r"""The unit of the sample with the mean signature nearest to that of each destination.

    .. math:: s(i, u) = -\frac{\|\bar\phi_i - \bar\phi_u\|^2}{\text{mean}} - \frac{\|x_i - x_u\|}{r}

    that is, the logarithm of a Gaussian times the locality gate. With limited reuse the assignment of the largest sum.

    Args:
        where: Destinations.
        what: Units of the sample.
        target: The target.
        sample: The sample.
        aligned: The sample's basis turned onto the target's, shape (n, k).
        strategy: Its ``reuse`` and ``radius`` are read.

    Returns:
        One match a destination, or fewer where units may be used a limited number of times.
    """
    if not where or not what:
        return []
    query = torch.stack([target.phi[nodes].mean(dim=0) for nodes in where])
    key = torch.stack([aligned[nodes].mean(dim=0) for nodes in what])
    square = torch.cdist(query, key, compute_mode="donot_use_mm_for_euclid_dist").square()
    cost = square / square.mean().clamp(min=1e-300)
    if strategy.radius > 0:
        cost = cost + torch.cdist(_centres(where, target), _centres(what, sample)) / strategy.radius
    # Rounding must not choose between equals: the first of them is taken.
    rounded = np.round(cost.numpy(), 6)
    if strategy.reuse == 0:
        rows, chosen = np.arange(len(where)), rounded.argmin(axis=1)
    else:
        from scipy.optimize import linear_sum_assignment

        rows, column = linear_sum_assignment(np.tile(rounded, min(strategy.reuse, len(where))))
        chosen = column % len(what)
    pairs = zip(rows.tolist(), chosen.tolist(), strict=True)
    return [Match(where[row], what[unit], query[row], key[unit]) for row, unit in pairs]


def _centres(units: list[Tensor], described: DescribedGraph) -> Tensor:
    pos = described.graph.pos - described.graph.pos.mean(dim=0)
    pos = pos / pos.square().sum(dim=1).mean().sqrt().clamp(min=1e-300)
    return torch.stack([pos[nodes].mean(dim=0) for nodes in units])
