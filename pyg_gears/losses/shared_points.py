"""The points that two views of a batch share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class SharedPoints(NamedTuple):
    """Pairs of sets of a batch and the places of what they share, padded.

    Attributes:
        first: First set of each pair, shape (p,).
        second: Second set, shape (p,).
        first_place: Places of the shared points in the first set, shape (p, s).
        second_place: Places of the same points in the second, shape (p, s).
        mask: Which of these columns hold a point, shape (p, s).
    """

    first: Int[Tensor, " p"]
    second: Int[Tensor, " p"]
    first_place: Int[Tensor, "p s"]
    second_place: Int[Tensor, "p s"]
    mask: Bool[Tensor, "p s"]


def shared_points(
    pair_id: Int[Tensor, " b"], node_id: Int[Tensor, " n"], sizes: Int[Tensor, " b"], least: int = 4
) -> SharedPoints | None:
    """Find the views of a batch and match their points by ``node_id``; None where none share at least four.

    Args:
        pair_id: Number of the pair that each set belongs to, shape (b,).
        node_id: Number of each node on its slide, ascending within a set, shape (n,).
        sizes: Nodes of each set, shape (b,).
        least: Shared points below which a pair is left out.
    """
    nodes = node_id.split(sizes.tolist())
    earlier: dict[int, int] = {}
    found = []
    for number, pair in enumerate(pair_id.tolist()):
        if pair not in earlier:
            earlier[pair] = number
            continue
        first = earlier[pair]
        places = (
            torch.isin(nodes[first], nodes[number]).nonzero()[:, 0],
            torch.isin(nodes[number], nodes[first]).nonzero()[:, 0],
        )
        if len(places[0]) >= least:
            found.append((first, number, *places))
    if not found:
        return None
    pad = torch.nn.utils.rnn.pad_sequence
    length = torch.tensor([len(places) for *_, places in found], device=node_id.device)
    return SharedPoints(
        first=torch.tensor([first for first, *_ in found], device=node_id.device),
        second=torch.tensor([second for _, second, *_ in found], device=node_id.device),
        first_place=pad([a for *_, a, _ in found], batch_first=True),
        second_place=pad([b for *_, b in found], batch_first=True),
        mask=torch.arange(int(length.max()), device=node_id.device) < length[:, None],
    )
