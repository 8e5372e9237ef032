"""A velocity for every node of a layout, equivariant under motions, that changes with time."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import silu

from pyg_gears.models.hard_gate import best_edges
from pyg_gears.models.landmark_layout import central_landmarks
from pyg_gears.nn import Perceptron


class Drift(torch.nn.Module):
    r"""Velocities of coordinates along the edges.

    .. math::
        \mu_i = \tfrac{1}{|N_i|} \textstyle\sum_{j \in N_i} \phi(h_i, h_j, \|x_i - x_j\|^2, t)\,(x_j - x_i) - \mathrm{mean}

    Turning or mirroring x turns or mirrors mu; its mean over a graph is zero. The last layer starts at zero: so does mu.

    Args:
        channels: Channels c of the state h.
        hidden_channels: Channels of the messages.
    """

    def __init__(self, channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.as_target = Linear(channels, hidden_channels)
        self.as_source = Linear(channels, hidden_channels, bias=False)
        self.by_distance = Linear(2, hidden_channels, bias=False)
        self.time = Perceptron(1, hidden_channels, hidden_channels)
        self.strength = Perceptron(hidden_channels, hidden_channels, 1, zero_init=True)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for layer in (self.as_target, self.as_source, self.by_distance, self.time, self.strength):
            layer.reset_parameters()

    def forward(
        self,
        pos: Float[Tensor, "n 2"],
        state: Float[Tensor, "n c"],
        edge_index: Int[Tensor, "2 e"],
        batch: Int[Tensor, " n"],
        num_graphs: int,
        time: float,
    ) -> Float[Tensor, "n 2"]:
        """The velocity of every node.

        Args:
            pos: Coordinates, shape (n, 2).
            state: Node states h, shape (n, c).
            edge_index: Edges without self-loops, shape (2, e); see :func:`travel_edges`.
            batch: Graph of each node, shape (n,).
            num_graphs: Number of graphs.
            time: From 0 to 1.
        """
        source, target = edge_index
        n, moment = pos.size(0), self.time(pos.new_tensor([time]))
        towards = pos[source] - pos[target]
        square = towards.square().sum(dim=1, keepdim=True)
        # Both views are bounded, so that a velocity grows with the layout at most linearly and a flow cannot run away.
        seen = self.by_distance(torch.cat([square / (1 + square), 0.1 / (0.1 + square)], dim=1))
        message = silu((self.as_target(state) + moment)[target] + self.as_source(state)[source] + seen)
        # Counted in whole numbers: bfloat16 counts to 256.
        degree = target.new_zeros(n).index_add(0, target, torch.ones_like(target)).clamp(min=1).to(pos.dtype)
        moved = torch.zeros_like(pos).index_add(0, target, self.strength(message) * towards) / degree[:, None]
        count = torch.bincount(batch, minlength=num_graphs).clamp(min=1).to(pos.dtype)
        mean = pos.new_zeros(num_graphs, 2).index_add(0, batch, moved) / count[:, None]
        return moved - mean[batch]


def travel_edges(
    state: Float[Tensor, "n c"],
    edge_index: Int[Tensor, "2 e"],
    batch: Int[Tensor, " n"],
    num_graphs: int,
    neighbors: int,
    landmarks: int,
) -> Int[Tensor, "2 k"]:
    """A thinner graph to move along: each node's nearest candidates by state, and some nodes that all others see.

    Args:
        state: Node states, shape (n, c); no gradient reaches them.
        edge_index: Candidates, shape (2, e).
        batch: Graph of each node, shape (n,).
        num_graphs: Number of graphs.
        neighbors: Candidates kept for each node.
        landmarks: Nodes of each graph, farthest points of the state, that send to all nodes of it.

    Returns:
        Edges without self-loops, each once, shape (2, k).
    """
    source, target = edge_index
    known, n = state.detach(), state.size(0)
    far = (known[source] - known[target]).square().sum(dim=1)
    kept = best_edges(-far, edge_index, n, neighbors) & (source != target)
    parts, start = [edge_index[:, kept]], 0
    for size in torch.bincount(batch, minlength=num_graphs).tolist():
        if size > 1 and landmarks:
            chosen = start + central_landmarks(known[start : start + size], landmarks)
            node = torch.arange(start, start + size, device=batch.device)
            parts.append(torch.stack([chosen.repeat_interleave(size), node.repeat(len(chosen))]))
        start += size
    source, target = torch.cat(parts, dim=1)
    key = (target * n + source)[source != target].unique()
    return torch.stack([key % n, key // n])
