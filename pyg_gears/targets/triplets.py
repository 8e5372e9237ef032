"""Which of two nodes is nearer: a neighbour against one of the ring around it (target family F3)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from pyg_gears.geometry import checked_coordinates, gauge_fix, nearest_neighbors
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.targets.random_walk import neighbor_count

PER_NODE = 16


def ring_triplets(
    pos: Float[Tensor, "n d"], generator: Generator, k: int | None = None, per_node: int = PER_NODE
) -> Int[Tensor, "3 t"]:
    """Draw triplets (anchor, near, far) from the true order of distances.

    Near comes from the ranks [0, k/2), far from [k, 3k): the gap between the two leaves room for noise.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        generator: Draws the ranks, on the CPU.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted.
        per_node: Triplets per anchor, at least 1.

    Returns:
        Nodes, shape (3, n per_node); none where no node lies beyond the k neighbours.

    Raises:
        InputError: when ``pos`` is no matrix of finite floats, or for fewer than one triplet.

    Source: Schroff et al., FaceNet, 2015, for the triplet; ranks as in the project's target tracker.
    """
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    check_sizes(per_node=per_node)
    k = neighbor_count(n, k)
    last = min(3 * k, n - 1)
    if k < 1 or last <= k:
        return torch.empty(3, 0, dtype=torch.long, device=pos.device)
    # In the gauge: what counts as a tie must not depend on the unit.
    order = nearest_neighbors(gauge_fix(pos), last).index
    near = torch.randint(0, max(k // 2, 1), (n, per_node), generator=generator, device="cpu").to(pos.device)
    far = torch.randint(k, last, (n, per_node), generator=generator, device="cpu").to(pos.device)
    anchor = torch.arange(n, device=pos.device).repeat_interleave(per_node)
    return torch.stack([anchor, order.gather(1, near).reshape(-1), order.gather(1, far).reshape(-1)])
