"""A linear map of the embedding in which spatial neighbours are near: metric learning for the candidate graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.seeds import torch_stream

SPOTS = 512
NEIGHBORS = 20
TEMPERATURE = 0.1
RATE = 1e-2


def fit_candidate_projection(
    slides: Sequence[tuple[Float[Tensor, "n c"], Float[Tensor, "n 2"]]],
    channels: int,
    *,
    steps: int = 200,
    seed: int = 0,
) -> Float[Tensor, "c d"]:
    r"""Learn P such that a spot's spatial neighbours are its nearest in ``x P`` by cosine.

    .. math:: \min_P -\frac1n \sum_i \log \sum_{j \in N(i)} p_{ij}, \quad
        p_{ij} = \mathrm{softmax}_{j \ne i}\big(\cos(x_i P, x_j P) / 0.1\big)

    N(i) are the 20 nearest spots in space (fewer on a small slide). P starts as the identity (cut or filled with zeros), each
    step sees at most 512 random spots of one slide, the slides in turn.

    Args:
        slides: Embedding (n, c) and coordinates (n, 2) of every training slide.
        channels: Columns d of P.
        steps: Steps of Adam at a rate of 0.01 that falls by a cosine.
        seed: Seed of the draws.

    Returns:
        P, shape (c, d), float32, without gradient.

    Raises:
        InputError: for no slides, or slides of different widths.

    Source: Goldberger et al., Neighbourhood components analysis (2004); here neighbours in space instead of labels, cosine
    instead of the squared distance, and the logarithm of each point's probability.
    """
    widths = {x.size(1) for x, _ in slides}
    expect(
        len(widths) == 1,
        f"expected slides with one width of the embedding, found {sorted(widths) or 'no slides'}; embed all by one encoder.",
    )
    generator = torch_stream(seed, "candidate projection")
    projection = torch.eye(widths.pop(), channels).requires_grad_()
    optimizer = torch.optim.Adam([projection], lr=RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        x, pos = slides[step % len(slides)]
        drawn = torch.randperm(x.size(0), generator=generator)[:SPOTS]
        near = nearest_neighbors(pos[drawn], min(NEIGHBORS, max(1, len(drawn) // 4))).index
        direction = normalize(x[drawn].float() @ projection, dim=1)
        logits = (direction @ direction.T / TEMPERATURE).fill_diagonal_(-torch.inf)
        loss = -(logits.log_softmax(dim=1).gather(1, near).logsumexp(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return projection.detach()
