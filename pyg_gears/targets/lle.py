r"""How each node is put together from its neighbours: locally linear embedding (target family F5).

.. math:: C_i = D_i D_i^T, \; D_i = (x_j - x_i)_{j \in kNN(i)}, \quad (C_i + \rho \operatorname{tr}(C_i) I)\, w = 1, \quad
    w_i = w / \textstyle\sum_j w_j

But for the ridge, the true coordinates are reconstructed after any affine map, a squeeze among them.

Source: Roweis and Saul, Nonlinear dimensionality reduction by locally linear embedding, 2000.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import checked_coordinates, gauge_fix, nearest_neighbors
from pyg_gears.targets.random_walk import neighbor_count

RIDGE = 1e-3


class LLETarget(NamedTuple):
    """Reconstruction weights that sum to 1: ``edge_index`` (2, n k) from k neighbours to each node, ``weight`` (n k,)."""

    edge_index: Int[Tensor, "2 p"]
    weight: Float[Tensor, " p"]


def lle_target(pos: Float[Tensor, "n d"], k: int | None = None, ridge: float = RIDGE) -> LLETarget:
    r"""Build the reconstruction weights of one graph from its true coordinates.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted.
        ridge: :math:`\rho` > 0, a share of the trace: more neighbours than dimensions leave C without an inverse.

    Returns:
        The weights, in the float dtype of ``pos`` (float32 for half precision), computed in float64.

    Raises:
        InputError: when ``pos`` is no matrix of finite floats, or the ridge is not above 0.
    """
    expect(ridge > 0, f"expected a ridge above 0, found {ridge}; {RIDGE:g} is the default.")
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    x = gauge_fix(pos.double())
    index = nearest_neighbors(x, neighbor_count(n, k)).index
    k = index.size(1)
    edge_index = torch.stack([index.reshape(-1), torch.arange(n, device=pos.device).repeat_interleave(k)])
    if not k:
        return LLETarget(edge_index, pos.new_empty(0))
    difference = x[index] - x[:, None]
    gram = difference @ difference.transpose(1, 2)
    trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=torch.finfo(torch.float64).tiny)
    eye = torch.eye(k, dtype=torch.float64, device=pos.device)
    ones = torch.ones(n, k, 1, dtype=torch.float64, device=pos.device)
    # In units of the trace: coincident neighbours leave the ridge alone, and equal weights.
    weight = torch.linalg.solve(gram / trace[:, None, None] + ridge * eye, ones)[..., 0]
    return LLETarget(edge_index, (weight / weight.sum(dim=1, keepdim=True)).reshape(-1).to(pos.dtype))
