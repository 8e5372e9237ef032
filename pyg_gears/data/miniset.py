"""One miniset: the ``Data`` of some spots of a slide, before its targets."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect


def build_miniset(
    x: Float[Tensor, "n c"],
    pos: Float[Tensor, "n 2"],
    index: Int[Tensor, " m"],
    slide_id: int,
) -> Data:
    """Gather embedding, coordinates and names of the spots at ``index``.

    ``node_id`` ascends, so that ties of distance are broken in the miniset as on the slide. Removing spots does not
    reorder those that stay; hence the nearest neighbours within a miniset begin with every whole-slide neighbour
    that fell into it, and no extra list of them has to be carried.

    Args:
        x: Embedding of the slide, shape (n, c).
        pos: Coordinates of the slide, shape (n, 2), any unit; kept in their dtype.
        index: Distinct spots, shape (m,), any order.
        slide_id: Number of the slide.

    Returns:
        ``Data`` with ``x``, ``pos``, ``node_id`` and ``slide_id``.

    Raises:
        InputError: when a spot is named twice.
    """
    node_id = index.sort().values
    expect(
        bool((node_id.diff() > 0).all()), "expected distinct spots in a miniset, found some twice; draw without return."
    )
    return Data(x=x[node_id], pos=pos[node_id], node_id=node_id, slide_id=torch.tensor([slide_id]))
