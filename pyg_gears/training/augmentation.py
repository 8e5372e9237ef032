"""Noise that only training sees: on the embedding, and on the candidate edges."""

from __future__ import annotations

import copy

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.nn.reverse_edges import reverse_edges
from pyg_gears.targets.gate import row_shares
from pyg_gears.training.training_recipe import TrainingRecipe


def augment(batch: Batch, recipe: TrainingRecipe, std: Float[Tensor, " c"], generator: torch.Generator) -> Batch:
    """A copy of the batch with noise on ``x`` and fewer candidate edges; the input is left as it is.

    Args:
        batch: Batch of minisets.
        recipe: ``h_noise``, ``slide_noise``, ``h_dropout`` and ``edge_drop``.
        std: Standard deviation of each channel over the training slides, shape (c,).
        generator: Source of the noise, on the CPU.

    Returns:
        The augmented batch; ``gate_target`` is renormalised over the edges that are left.
    """
    result = copy.copy(batch)
    x = batch.x
    noise = torch.randn(x.shape, generator=generator).to(x)
    keep = (torch.rand(x.shape, generator=generator) >= recipe.h_dropout).to(x)
    shared = torch.randn(2, batch.num_graphs, x.size(1), generator=generator).to(x)[:, batch.batch] * recipe.slide_noise
    result.x = (x * (1 + shared[0]) + std.to(x) * (shared[1] + recipe.h_noise * noise)) * keep
    if recipe.edge_drop > 0:
        kept = kept_edges(batch.edge_index, int(batch.num_nodes), recipe.edge_drop, generator).nonzero().flatten()
        edge_index, target = batch.edge_index[:, kept], batch.gate_target[kept]
        result.edge_index = edge_index
        result.gate_target = row_shares(target, edge_index[1], int(batch.num_nodes))
    return result


def kept_edges(
    edge_index: Int[Tensor, "2 e"], num_nodes: int, share: float, generator: torch.Generator
) -> Bool[Tensor, " e"]:
    """Which edges survive: both directions of a pair together, self-loops always, and no node loses all its others.

    Args:
        edge_index: Symmetric candidates with self-loops, shape (2, e).
        num_nodes: Number of nodes.
        share: Share of pairs to drop, 0..1.
        generator: Source of the choice, on the CPU.

    Returns:
        True for kept edges, shape (e,).
    """
    source, target = edge_index[0], edge_index[1]
    draw = _draw_pairs(edge_index, num_nodes, generator)
    loop = source == target
    # A node's best draw always survives, in both directions.
    best = draw.new_zeros(num_nodes).scatter_reduce(0, target, draw.masked_fill(loop, 0.0), "amax")
    survives = (draw >= share) | loop
    return survives | (draw == best[target]) | (draw == best[source])


def _draw_pairs(edge_index: Int[Tensor, "2 e"], num_nodes: int, generator: torch.Generator) -> Float[Tensor, " e"]:
    """A number in [0, 1) for every pair of nodes, on both of its edges, shape (e,)."""
    source, target = edge_index[0], edge_index[1]
    back = reverse_edges(edge_index, num_nodes)
    if back is None:
        low, high = torch.minimum(source, target), torch.maximum(source, target)
        pair = torch.unique(low * num_nodes + high, return_inverse=True)[1]
        count = int(pair.max()) + 1 if pair.numel() else 0
        return torch.rand(count, generator=generator).to(source.device)[pair]
    first = source >= target
    drawn = torch.rand(int(first.sum()), generator=generator).to(source.device)
    draw = drawn.new_zeros(first.numel()).masked_scatter(first, drawn)
    return torch.where(first, draw, draw[back])
