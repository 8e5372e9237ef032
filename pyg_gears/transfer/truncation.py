"""Affinity of a destination to the nodes of the sample: what is copied, and whether cross is cut more than self."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.transfer.activation import attention_rows
from pyg_gears.transfer.matching import Match
from pyg_gears.transfer.strategy import Strategy


def copied_nodes(
    match: Match, aligned: Float[Tensor, "n k"], contours: Bool[Tensor, " n"], strategy: Strategy
) -> Int[Tensor, " N"]:
    r"""The nodes of a unit that are copied: all, or those of an affinity above a level of the destination's row.

    .. math:: a_j = \bar\phi_i \cdot \phi_j, \quad \text{copied where } a_j > \operatorname{mean}_{contours} a

    Args:
        match: Destination and unit.
        aligned: The sample's basis on the target's, shape (n, k).
        contours: Contours of the sample, shape (n,).
        strategy: Its ``truncation`` and ``quantile`` are read.

    Returns:
        Nodes of the sample.
    """
    if strategy.truncation == "off":
        return match.unit
    row = attention_rows(match.where[None], aligned[contours])[0]
    level = row.mean() if strategy.truncation == "mean" else torch.quantile(row, strategy.quantile)
    own = attention_rows(match.where[None], aligned[match.unit])[0]
    return match.unit[own > level + 1e-9 * row.abs().max()]


class AffinityOutput(NamedTuple):
    """Affinities of all destinations to the nodes of their units over the RMS of their rows, and the share below the mean."""

    affinity: Float[Tensor, " N"]
    cut: Float[Tensor, " m"]


def affinities(matches: list[Match], aligned: Float[Tensor, "n k"], contours: Bool[Tensor, " n"]) -> AffinityOutput:
    """The distribution that a truncation would cut.

    Args:
        matches: Destinations and units.
        aligned: The sample's basis, aligned or raw, shape (n, k).
        contours: Contours of the sample, shape (n,).

    Returns:
        Affinities of all copied nodes, and for each of the m destinations the share of its nodes that "mean" cuts.
    """
    values, cut = [], []
    for match in matches:
        row = attention_rows(match.where[None], aligned[contours])[0]
        own = attention_rows(match.where[None], aligned[match.unit])[0]
        values.append(own / row.square().mean().sqrt().clamp(min=1e-300))
        cut.append((own <= row.mean() + 1e-9 * row.abs().max()).double().mean())
    empty = torch.zeros(0, dtype=torch.float64)
    return AffinityOutput(torch.cat(values) if values else empty, torch.stack(cut) if cut else empty)
