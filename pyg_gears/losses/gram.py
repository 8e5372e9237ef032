"""Relative error of the Gram matrix: all inner products at once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.losses.membership import gauged, target_values


def gram_distance(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Squared Frobenius distance of the Gram matrices over the true one's square, without either matrix.

    .. math:: L = \|X X^T - V V^T\|_F^2 / \|V V^T\|_F^2, \quad
        \|X X^T - V V^T\|_F^2 = \|X^T X\|_F^2 - 2 \|X^T V\|_F^2 + \|V^T V\|_F^2

    in the gauge, in float64. Zero for the true coordinates under any similarity transform.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``gram_factor``, whatever its unit.

    Returns:
        Mean over graphs, a scalar, in the dtype of ``pos`` (float32 for half precision).

    The published loss has the squared difference of the logarithms of both traces beside it. In the gauge both traces are n;
    for layouts with a size of their own see :mod:`pyg_gears.losses.latent`.
    """
    members, x = gauged(pos, batch)
    truth = members.in_gauge(target_values(batch, "gram_factor", x.size(0)).double())
    y = x.double()

    def square(a: Tensor, b: Tensor) -> Tensor:
        """||A^T B||^2 of every graph."""
        product = (a[:, :, None] * b[:, None, :]).flatten(1)
        summed = product.new_zeros(members.num_graphs, product.size(1)).index_add(0, members.batch, product)
        return summed.square().sum(dim=1)

    size = square(truth, truth)
    error = (square(y, y) - 2 * square(y, truth) + size) / size.clamp(min=torch.finfo(size.dtype).tiny)
    return error.mean().to(x.dtype)
