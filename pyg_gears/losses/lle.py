"""How well nodes are put together from their neighbours by the true weights (family F5)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.losses.membership import gauged, target_edges, target_values


def lle_error(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Squared error of the reconstruction.

    .. math:: L = \tfrac1n \sum_i \| x_i - \textstyle\sum_j w_{ij} x_j \|^2

    The gauge keeps a layout from shrinking to a point; nothing keeps it from becoming a line. The true coordinates leave a small
    error, that of the ridge.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``lle_edge_index`` and ``lle_weight``.

    Returns:
        Mean over graphs, a scalar >= 0, in the dtype of ``pos`` (float32 for half precision).

    Source: as :func:`~pyg_gears.targets.lle_target`; the sum over nodes is a mean here, so that graphs of
    unlike size weigh alike.
    """
    members, x = gauged(pos, batch)
    source, target = target_edges(batch, "lle_edge_index", x.size(0))
    weight = target_values(batch, "lle_weight", source.numel()).to(x.dtype)
    built = scatter(weight[:, None] * x[source], target, dim=0, dim_size=x.size(0))
    return members.node_mean((x - built).square().sum(dim=1)).mean()
