"""Whether the domains of an embedding can still be told apart by a cell's neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.graphs import knn

LEAST_STD = 0.1


class MixingOutput(NamedTuple):
    """How well domains are mixed.

    Attributes:
        accuracy: Balanced accuracy of the neighbours' guess of the domain: 1 for domains apart, 1/D for D mixed ones; below that
            where few neighbours are of a row's own domain.
        least_std: Smallest standard deviation of a channel over all rows.
    """

    accuracy: float
    least_std: float

    @property
    def collapsed(self) -> bool:
        """Whether a channel hardly varies: an embedding that is the same for all mixes domains for nothing."""
        return self.least_std <= LEAST_STD


def mixing_probe(
    domains: Sequence[Float[Tensor, "n c"]],
    *,
    neighbors: int = 20,
    sample: int = 2000,
    generator: torch.Generator | None = None,
) -> MixingOutput:
    r"""Guess each row's domain by most of its nearest neighbours (cosine).

    .. math:: \frac1D \sum_d \frac1{n_d} \sum_{i \in d} [\operatorname{argmax}_e |N(i) \cap e| = d]

    Domains are cut to the size of the smallest, else the largest would win every vote. A tie goes to the earlier domain, so
    that of two domains the later one needs more than half of the neighbours.

    Args:
        domains: Embeddings of each domain, shape (n, c) each, at least two of them.
        neighbors: Neighbours of a row, clipped to those there are.
        sample: Rows of a domain at most.
        generator: Source of the sample, on the CPU; torch's global one if omitted.

    Returns:
        Accuracy and spread.

    Raises:
        InputError: for fewer than two domains, or a domain without rows.

    Source: the probe that chooses the epoch of the published GEARS encoder (20 neighbours, up to 2000 of spots and cells each).
    """
    smallest = min((len(x) for x in domains), default=0)
    expect(
        len(domains) >= 2 and smallest > 0,
        f"expected at least two domains with rows, found {sum(len(x) > 0 for x in domains)}; pass spots and cells.",
    )
    count = min(sample, smallest)
    drawn = [x[torch.randperm(len(x), generator=generator)[:count].to(x.device)] for x in domains]
    x, label = torch.cat(drawn), torch.arange(len(domains)).repeat_interleave(count)
    near = knn(x.detach().cpu(), neighbors, metric="cosine").index
    votes = torch.nn.functional.one_hot(label[near], len(domains)).sum(dim=1)
    accuracy = (votes.argmax(dim=1) == label).double().mean()
    return MixingOutput(float(accuracy), float(x.std(dim=0).min()))
