"""Hinge of ring triplets (family F3)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect
from pyg_gears.geometry import edge_squared_distance
from pyg_gears.graphs import checked_edges
from pyg_gears.losses.membership import gauged, target_triplets

MARGIN = 0.1


def triplet_hinge(pos: Float[Tensor, "n d"], batch: Data, margin: float = MARGIN) -> Float[Tensor, ""]:
    r"""How far the far node of a triplet fails to be farther than the near one.

    .. math:: L = \mathrm{mean}_t \max(0, d_{near}^2 - d_{far}^2 + m)

    Zero where the order is right by the margin: distances beyond it are free, so that a layout is not determined.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``triplet_index``.
        margin: m >= 0, squared gauge units (the RMS radius is 1).

    Returns:
        Mean over graphs, a scalar >= 0, in the dtype of ``pos`` (float32 for half precision).

    Raises:
        InputError: for a negative margin.
    """
    expect(margin >= 0, f"expected a margin of at least 0, found {margin}; raise it.")
    members, x = gauged(pos, batch)
    triplets = target_triplets(batch)
    near, far = (edge_squared_distance(x, checked_edges(triplets[[0, row]], x.size(0))) for row in (1, 2))
    return members.edge_mean((near - far + margin).clamp(min=0.0), triplets[0]).mean()
