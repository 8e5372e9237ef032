"""Statistics within the edges of every node, for all nodes and heads at once.

Edges that enter a node are a row of a padded table: values (n, w, h) with a mask (n, w), w the largest number of edges.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.utils import to_dense_batch


def edge_rows(
    values: Float[Tensor, "e ..."], target: Int[Tensor, " e"], num_nodes: int
) -> tuple[Float[Tensor, "n w h"], Bool[Tensor, "n w"]]:
    """Lay out values of edges by the node that they enter.

    Args:
        values: One value (e,) or one per head (e, h).
        target: Node that each edge enters, ascending, shape (e,).
        num_nodes: Number of nodes n.

    Returns:
        Values, 0 where there is no edge, shape (n, w, h), and the mask of edges, shape (n, w).
    """
    values = values[:, None] if values.dim() == 1 else values
    return to_dense_batch(values, target, batch_size=num_nodes)


def row_ranks(values: Float[Tensor, "n w h"], mask: Bool[Tensor, "n w"]) -> Float[Tensor, "n w h"]:
    """Ranks from 1 upwards within every row; equal values share their mean rank; 0 where there is no edge."""
    value, order = values.masked_fill(~mask[..., None], torch.inf).transpose(1, 2).contiguous().sort(dim=-1)
    place = torch.arange(1, value.size(-1) + 1, device=value.device, dtype=torch.float64).expand(value.shape)
    change = value[..., 1:] != value[..., :-1]
    edge = change.new_ones(*value.shape[:-1], 1)
    first = place.masked_fill(~torch.cat([edge, change], dim=-1), -torch.inf).cummax(dim=-1).values
    last = place.masked_fill(~torch.cat([change, edge], dim=-1), torch.inf).flip(-1).cummin(dim=-1).values.flip(-1)
    ranks = torch.empty_like(first).scatter_(-1, order, (first + last) / 2)
    return ranks.transpose(1, 2) * mask[..., None]


def row_correlation(
    a: Float[Tensor, "n w h"], b: Float[Tensor, "n w h"], mask: Bool[Tensor, "n w"]
) -> Float[Tensor, "n h"]:
    """Pearson correlation of a and b (Spearman's of their ranks) within every row; NaN where either is constant."""
    here, a, b = mask[..., None], a.double(), b.double()
    count = here.sum(dim=1).clamp(min=1)
    da, db = ((v - (v * here).sum(dim=1, keepdim=True) / count[:, None]) * here for v in (a, b))
    product = (da * db).sum(dim=1) / (da.square().sum(dim=1) * db.square().sum(dim=1)).sqrt()
    # A mean that is rounded leaves a constant row a variance above zero: constancy is read from the values.
    return product.clamp(-1, 1).masked_fill(_constant(a, here) | _constant(b, here), torch.nan)


def row_std(values: Float[Tensor, "n w h"], mask: Bool[Tensor, "n w"]) -> Float[Tensor, "n h"]:
    """Standard deviation (of the population) within every row; NaN where a row is empty."""
    here, count, values = mask[..., None], mask.sum(dim=1)[:, None], values.double()
    mean = (values * here).sum(dim=1) / count
    return (((values - mean[:, None]) * here).square().sum(dim=1) / count).sqrt()


def row_best(values: Float[Tensor, "n w h"], mask: Bool[Tensor, "n w"], k: int) -> Bool[Tensor, "n w h"]:
    """Mark the k largest values of every row (all of a shorter row); among equal values those that come first."""
    order = values.masked_fill(~mask[..., None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    marks = torch.zeros_like(values, dtype=torch.bool).scatter(1, order[:, :k], True)
    return marks & mask[..., None]


def _constant(values: Tensor, here: Tensor) -> Tensor:
    top = values.masked_fill(~here, -torch.inf).amax(dim=1)
    return top <= values.masked_fill(~here, torch.inf).amin(dim=1)
