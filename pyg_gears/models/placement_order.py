"""In which order a graph's nodes are placed: from one outwards."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def placement_keys(
    x: Float[Tensor, "n c"],
    edge_index: Int[Tensor, "2 e"],
    batch: Int[Tensor, " n"],
    num_graphs: int,
    generator: torch.Generator | None = None,
    *,
    drawn: bool,
) -> Float[Tensor, " n"]:
    r"""Breadth first: the number of edges from a first node, and within a number the distance of the embeddings to it.

    The first node of each graph is drawn, or, for one order every time, the one whose embedding lies farthest from the mean. The
    keys do not depend on how nodes are numbered.

    Args:
        x: Embedding, shape (n, c).
        edge_index: Edges, shape (2, e).
        batch: Graph of each node, shape (n,).
        num_graphs: Number of graphs b.
        generator: Source of the first nodes; torch's global one if omitted.
        drawn: Draw the first nodes.

    Returns:
        What to sort a graph's nodes by, shape (n,); nodes that cannot be reached come last.
    """
    x, n = x.detach(), x.size(0)
    count = torch.bincount(batch, minlength=num_graphs)
    start = count.cumsum(0) - count
    filled = count > 0
    if drawn:
        device = x.device if generator is None else generator.device
        share = torch.rand(num_graphs, generator=generator, dtype=torch.float64, device=device).to(x.device)
        first = (start + (share * count).long())[filled]
    else:
        mean = x.new_zeros(num_graphs, x.size(1)).index_add(0, batch, x) / count.clamp(min=1)[:, None]
        far = (x - mean[batch]).square().sum(dim=1)
        parts = far.split(count.tolist())
        first = torch.stack([part.argmax() for part in parts if len(part)]) + start[filled] if n else start[:0]
    seed = start.clone()
    seed[filled] = first
    source, target = edge_index
    reached = torch.zeros(n, dtype=torch.bool, device=x.device)
    reached[first] = True
    level = torch.zeros(n, dtype=x.dtype, device=x.device)
    hop = 0
    while True:
        hop += 1
        hit = torch.zeros_like(reached).index_put((target[reached[source]],), torch.ones_like(reached[:1])) & ~reached
        level = torch.where(reached, level, float(hop))
        if not bool(hit.any()):
            break
        reached = reached | hit
    apart = (x - x[seed[batch]]).square().sum(dim=1) if n else x.sum(dim=1)
    return level + apart / (1 + apart)
