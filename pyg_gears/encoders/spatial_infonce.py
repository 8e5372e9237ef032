"""Spatial InfoNCE: the physical neighbours become the nearest in the embedding, among all spots of a batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.geometry.checked_sizes import check_sizes

MASKED = -1e30
HARD_COUNT = 20
FAR = 3.0


def spatial_infonce(
    a: Float[Tensor, "n c"],
    b: Float[Tensor, "n c"],
    neighbors: Int[Tensor, "n k"],
    *,
    temperature: float = 0.15,
    hard_weight: float = 0.0,
    far: Bool[Tensor, "n n"] | None = None,
) -> Tensor:
    r"""Cross-entropy of the softmax over the batch against the physical neighbours.

    .. math:: -\frac{1}{n} \sum_i \frac{1}{|P_i|} \sum_{j \in P_i} \log
        \frac{\exp(\cos(a_i, b_j) / \tau)}{\sum_{l \ne i} (1 + w_{il}) \exp(\cos(a_i, b_l) / \tau)}

    P_i are the physical neighbours of spot i inside the batch; spots without any are left out. A spot is never its own
    negative nor its own positive: told apart from itself it would learn its own noise. With ``hard_weight`` w, the 20 spots
    most similar to i among those far from it count (1 + w) times in the denominator.

    Args:
        a: Embedding of one view of n spots of one slide, shape (n, c).
        b: Embedding of another view of them, shape (n, c).
        neighbors: Physical neighbours by their place in the batch, -1 where absent, shape (n, k).
        temperature: tau, above 0.
        hard_weight: w, at least 0.
        far: Pairs that count as far apart, shape (n, n); needed with ``hard_weight``.

    Returns:
        A scalar; 0 (with a gradient) when no spot has a neighbour in the batch.

    Raises:
        InputError: for a number out of its range, or hard negatives without ``far``.

    Source: Oord, Li and Vinyals, Representation learning with contrastive predictive coding, 2018; several positives per
    anchor as in Khosla et al., Supervised contrastive learning, 2020; hard negatives as in Robinson et al., 2021.
    """
    expect(temperature > 0, f"expected a temperature above 0, found {temperature}; 0.15 is usual here.")
    expect(hard_weight >= 0, f"expected a hard_weight of at least 0, found {hard_weight}; 0 leaves hard negatives out.")
    expect(
        hard_weight == 0 or far is not None,
        "expected the far pairs for its hard negatives, found none; pass far=far_pairs(pos, k).",
    )
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    present = neighbors >= 0
    count = present.sum(dim=1, keepdim=True)
    share = present.to(a) / (count.clamp(min=1) * (count > 0).sum().clamp(min=1))
    # The gradient is written out for one type of number: autocast would mix two.
    with torch.autocast(a.device.type, enabled=False):
        loss: Tensor = _CrossEntropy.apply(a, b, neighbors.clamp(min=0), share, temperature, hard_weight, far)
    return loss


class _CrossEntropy(torch.autograd.Function):
    """Sum over i and m of share[i, m] times minus the logarithm of the softmax of spot i at neighbors[i, m].

    Its gradient by the logits is the softmax times the row's shares, less the shares. So one n x n matrix, changed in place,
    does for the loss and the gradient; autograd would read and write several, and that is what takes the time.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        neighbors: Tensor,
        share: Tensor,
        temperature: float,
        hard_weight: float,
        far: Tensor | None,
    ) -> Tensor:
        matrix = (a / temperature) @ b.T
        positive = (share * matrix.gather(1, neighbors)).sum()
        matrix.fill_diagonal_(MASKED)
        hard = None
        if hard_weight > 0 and far is not None:
            value, hard = matrix.masked_fill(~far, MASKED).topk(min(HARD_COUNT, len(matrix)), dim=1)
            factor = 1 + hard_weight * (value > MASKED).to(matrix)
        top = matrix.amax(dim=1, keepdim=True)
        matrix.sub_(top).exp_()
        if hard is not None:
            matrix.scatter_(1, hard, matrix.gather(1, hard) * factor)
        total, weight = matrix.sum(dim=1, keepdim=True), share.sum(dim=1, keepdim=True)
        loss = (weight * (total.log() + top)).sum() - positive
        matrix.mul_(weight / (total * temperature)).scatter_add_(1, neighbors, -share / temperature)
        ctx.save_for_backward(matrix, a, b)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        matrix, a, b = ctx.saved_tensors
        return gradient * (matrix @ b), gradient * (matrix.T @ a), None, None, None, None, None


def neighbors_within(neighbors: Int[Tensor, "n k"], rows: Int[Tensor, " m"]) -> Int[Tensor, "m k"]:
    """The neighbours of some spots, renumbered to places among them; -1 for neighbours that are not among them.

    Args:
        neighbors: Neighbours of every spot of a slide, shape (n, k).
        rows: Different spots, shape (m,).
    """
    place = torch.full((len(neighbors),), -1, dtype=torch.long, device=neighbors.device)
    place[rows] = torch.arange(len(rows), device=neighbors.device)
    return place[neighbors[rows]]


def far_pairs(pos: Float[Tensor, "n 2"], k: int) -> Bool[Tensor, "n n"]:
    """Pairs at more than three times the distance to the first spot's k-th physical neighbour, shape (n, n).

    Raises:
        InputError: for fewer than two spots, or k below 1.
    """
    check_sizes(k=k)
    expect(len(pos) >= 2, f"expected at least 2 spots, found {len(pos)}; one has no neighbour.")
    reach = nearest_neighbors(pos, k).distance[:, -1].to(pos)
    return torch.cdist(pos, pos) > FAR * reach[:, None]
