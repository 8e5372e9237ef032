"""The bias of attention logits by the current coordinates."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import checked_nodes, checked_positions, checked_results
from pyg_gears.nn.padded_graphs import PaddedGraphs

LIMIT = 10.0
"""Geometry never adds or takes more than this, in logits."""

SOFTPLUS_ONE = 0.5413248546129181
"""softplus of this raw value is 1."""

CENTRES = 16

GeoMode = Literal["none", "monotone", "rbf", "point"]


class GeometryBias(torch.nn.Module):
    r"""Per-head bias of an edge j -> i from the coordinates of its ends.

    * ``monotone``: :math:`\mathrm{clamp}(-\mathrm{softplus}(\gamma_h) d_{ij}^2, -10, 0)`, softplus(gamma) starting at
      1;
    * ``rbf``: :math:`\mathrm{clamp}(w_h \cdot \phi(d_{ij} / \tilde d), -10, 10)` with 16 Gaussians centred on [0, 2],
      as wide as their spacing, and :math:`\tilde d` the (lower) median distance of the graph's edges, self-loops
      excluded; w starts at 0;
    * ``point``: :math:`\mathrm{clamp}(-\|(x_i + u_{ih}) - (x_j + v_{jh})\|^2 / \sigma_h^2, -10, 0)` with offsets u, v
      linear in the node state without a constant, starting at 0, and sigma (a softplus) at 1.

    ``monotone`` and ``rbf`` see distances only and are invariant under rotations and mirrors; ``point`` is not, its
    offsets live in the frame of the coordinates. All are invariant under translations, ``rbf`` also under scale.

    Args:
        mode: "monotone", "rbf" or "point".
        channels: Channels of the node state.
        heads: Attention heads.

    Source: the point mode follows invariant point attention (Jumper et al., AlphaFold, 2021), here in the plane,
    clamped.
    """

    def __init__(self, mode: Literal["monotone", "rbf", "point"], channels: int, heads: int) -> None:
        super().__init__()
        expect(
            mode in ("monotone", "rbf", "point"),
            f"expected the mode monotone, rbf or point, found {mode!r}; name one.",
        )
        check_sizes(channels=channels, heads=heads)
        self.mode, self.channels, self.heads = mode, channels, heads
        if mode == "monotone":
            self.gamma = torch.nn.Parameter(torch.empty(heads))
        elif mode == "rbf":
            self.weight = torch.nn.Parameter(torch.empty(heads, CENTRES))
        else:
            self.offsets = torch.nn.Linear(channels, 4 * heads, bias=False)
            self.sigma = torch.nn.Parameter(torch.empty(heads))
        self._set_constants()

    def reset_parameters(self) -> None:
        """Go back to the start: a plain distance (``monotone`` and ``point``), or nothing (``rbf``)."""
        if self.mode == "point":
            self.offsets.reset_parameters()  # as a new layer does, so that what comes after it draws the same
        self._set_constants()

    def _set_constants(self) -> None:
        if self.mode == "monotone":
            torch.nn.init.constant_(self.gamma, SOFTPLUS_ONE)
        elif self.mode == "rbf":
            torch.nn.init.zeros_(self.weight)
        else:
            torch.nn.init.zeros_(self.offsets.weight)
            torch.nn.init.constant_(self.sigma, SOFTPLUS_ONE)

    def forward(
        self,
        state: Float[Tensor, "n c"],
        pos: Float[Tensor, "n 2"],
        edge_index: Int[Tensor, "2 e"],
        batch: Int[Tensor, " n"] | None = None,
    ) -> Float[Tensor, "e h"]:
        """Bias of every edge, shape (e, h).

        Raises:
            InputError: when states and coordinates are not one per node, when edges or batch are none of this graph's, or
                when the values are too large for their type.
        """
        state = checked_nodes(state, self.channels, None, "state")
        pos = checked_positions(pos, state, dims=2)
        edge_index, batch = checked_edges(edge_index, pos.size(0)), checked_batch(batch, pos.size(0))
        bias = self._on_edges(state, pos, edge_index, batch)
        checked_results([bias], [state, pos], self)
        return bias

    def _on_edges(self, state: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor | None) -> Tensor:
        source, target = edge_index[0], edge_index[1]
        if self.mode == "point":
            mine, theirs = self._points(state, pos)
            square = (mine[target] - theirs[source]).square().sum(dim=-1)
            return self._from_square(square, None, (-1,))
        square = (pos[target] - pos[source]).square().sum(dim=-1)
        median = None
        if self.mode == "rbf":
            # Numbered anew: with empty graphs in the batch a graph's number may exceed the number of nodes.
            graph = target.new_zeros(target.size(0)) if batch is None else _consecutive(batch)[target]
            median = edge_median(_root(square), graph, source != target, pos.size(0))[graph][:, None]
        return self._from_square(square[:, None], median, (-1,))

    def dense(
        self,
        state: Float[Tensor, "n c"],
        pos: Float[Tensor, "n 2"],
        edge_index: Int[Tensor, "2 e"],
        graphs: PaddedGraphs,
    ) -> Float[Tensor, "b h m m"]:
        """The same bias for every pair of every padded graph, shape (b, h, m, m)."""
        shape = (self.heads, 1, 1)
        if self.mode == "point":
            mine, theirs = (graphs.pad(point).permute(3, 0, 2, 1) for point in self._points(state, pos))
            square = sum((mine[a, ..., None] - theirs[a, ..., None, :]).square() for a in (0, 1))
            assert isinstance(square, Tensor)
            return self._from_square(square, None, shape)
        x = graphs.pad(pos)
        square = (x[:, :, None, 0] - x[:, None, :, 0]).square() + (x[:, :, None, 1] - x[:, None, :, 1]).square()
        median = None
        if self.mode == "rbf":
            graph = graphs.edge_slot // (graphs.size**2)
            distance = _root(square.flatten()[graphs.edge_slot])
            median = edge_median(distance, graph, edge_index[0] != edge_index[1], graphs.num_graphs)[
                :, None, None, None
            ]
        return self._from_square(square[:, None], median, shape)

    def _points(self, state: Tensor, pos: Tensor) -> tuple[Tensor, Tensor]:
        """``x_i + u_ih`` and ``x_i + v_ih``, shape (n, h, 2) each."""
        mine, theirs = self.offsets(state).view(-1, 2, self.heads, 2).unbind(dim=1)
        return pos[:, None] + mine, pos[:, None] + theirs

    def _from_square(self, square: Tensor, median: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        """The bias from squared distances that broadcast against a head axis of the given shape."""
        if self.mode == "monotone":
            rate = torch.nn.functional.softplus(self.gamma).view(shape)
            return (-rate * square).clamp(-LIMIT, 0.0)
        if self.mode == "point":
            width = torch.nn.functional.softplus(self.sigma).square().view(shape)
            return (-square / width).clamp(-LIMIT, 0.0)
        assert median is not None
        scaled = _root(square) / median
        spacing = 2.0 / (CENTRES - 1)
        bias = torch.zeros_like(scaled)
        for centre, weight in enumerate(self.weight.unbind(dim=1)):
            # One centre at a time: all sixteen at once would be the largest tensor of the layer.
            bias = bias + weight.view(shape) * torch.exp(-0.5 * (scaled / spacing - centre).square())
        return bias.clamp(-LIMIT, LIMIT)

    def extra_repr(self) -> str:
        """What it was built with."""
        return f"{self.mode!r}, {self.channels}, heads={self.heads}"


def _consecutive(batch: Tensor) -> Tensor:
    """Numbers of the graphs that have nodes, without gaps; ``batch`` ascends."""
    return (batch.diff(prepend=batch[:1]) != 0).cumsum(dim=0)


def edge_median(
    distance: Float[Tensor, " e"], graph: Int[Tensor, " e"], counted: Tensor, size: int
) -> Float[Tensor, " size"]:
    """Lower median of the counted distances of every graph (1 where there are none), shape (size,), differentiable."""
    # Uncounted edges are sent to a group of their own, behind all others.
    group = torch.where(counted, graph, size)
    order = distance.detach().argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    count = torch.zeros(size + 1, dtype=torch.long, device=group.device).scatter_add(0, group, torch.ones_like(group))
    middle = (count.cumsum(0) - count + (count - 1).clamp(min=0) // 2)[:size].clamp(max=max(distance.size(0) - 1, 0))
    if distance.size(0) == 0:
        return distance.new_ones(size)
    return torch.where(count[:size] > 0, distance[order[middle]], 1.0)


def _root(square: Tensor) -> Tensor:
    # Clamped before the root, whose gradient at zero is infinite; 1e-12 is zero in half precision.
    return square.clamp(min=max(1e-12, torch.finfo(square.dtype).tiny)).sqrt()
