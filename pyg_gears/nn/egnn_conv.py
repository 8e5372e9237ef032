"""A layer whose states see distances only and whose coordinates move along the edges: E(2)-equivariant."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear, Sequential, SiLU
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import InputError, described
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import checked_nodes, checked_positions, checked_results


class EGNNConv(MessagePassing):
    r"""Equivariant message passing over weighted edges that updates a node state s and coordinates x.

    .. math::
        m_{ij} &= \phi_e(s_i, s_j, \|x_i - x_j\|^2) \\
        x_i' &= x_i + \eta \textstyle\sum_j w_{ij} \, \phi_x(m_{ij}) (x_j - x_i) \\
        s_i' &= s_i + \phi_s(s_i, \textstyle\sum_j w_{ij} m_{ij})

    s is invariant and x equivariant under translations, rotations and mirrors of x, in any number of dimensions. The
    last layers of :math:`\phi_x` and :math:`\phi_s` start at zero: a new layer changes nothing. A node without an
    incoming edge keeps its coordinates. Everything is smooth in x, also where two nodes coincide.

    Args:
        channels: Channels c of the state s.
        hidden_channels: Channels of the messages and of the hidden layers; c if omitted.
        step: Step size eta of the coordinates.

    Source: Satorras, Hoogeboom, Welling, E(n) equivariant graph neural networks (2021), equations 3 to 6. Deviations:
    edges have weights (equal ones, 1 / degree, by default, instead of a plain sum), the coordinates' sign is that of a
    step towards the source, and the last layers start at zero.

    >>> conv = EGNNConv(8)
    >>> s, pos = conv(torch.randn(3, 8), torch.randn(3, 2), torch.tensor([[0, 1], [1, 2]]))
    >>> s.shape, pos.shape
    (torch.Size([3, 8]), torch.Size([3, 2]))
    """

    def __init__(self, channels: int, hidden_channels: int | None = None, step: float = 1.0) -> None:
        super().__init__(aggr="add", node_dim=0)
        hidden = channels if hidden_channels is None else hidden_channels
        check_sizes(channels=channels, hidden_channels=hidden)
        self.channels, self.hidden_channels, self.step = channels, hidden, step
        # The first layer of phi_e, divided: its part on a node is computed once per node, not once per edge.
        self.as_target = Linear(channels, hidden)
        self.as_source = Linear(channels, hidden, bias=False)
        self.by_distance = Linear(1, hidden, bias=False)
        self.edge = Sequential(SiLU(), Linear(hidden, hidden), SiLU())
        self.move = Sequential(Linear(hidden, hidden), SiLU(), Linear(hidden, 1, bias=False))
        self.update_state = Sequential(Linear(channels + hidden, hidden), SiLU(), Linear(hidden, channels))
        self._set_constants()

    def reset_parameters(self) -> None:
        """Draw all parameters again; the layer starts as the identity."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()
        self._set_constants()

    def _set_constants(self) -> None:
        for last in (self.move[-1], self.update_state[-1]):
            assert isinstance(last, Linear)
            for parameter in last.parameters():
                torch.nn.init.zeros_(parameter)

    def forward(
        self,
        s: Float[Tensor, "n c"],
        pos: Float[Tensor, "n d"],
        edge_index: Int[Tensor, "2 e"],
        edge_weight: Float[Tensor, " e"] | None = None,
    ) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n d"]]:
        """Pass messages once.

        Args:
            s: Node states, shape (n, c).
            pos: Coordinates, shape (n, d).
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); whatever
                :func:`pyg_gears.graphs.checked_edges` takes.
            edge_weight: Weight w of each edge, shape (e,), for instance a softmax over the edges that enter a node; one
                over the number of those edges if omitted.

        Returns:
            New s (n, c) and x (n, d).

        Raises:
            InputError: when states, coordinates and weights are not one per node or edge, or of another type, when the
                edges are none of this graph's, or when the values are too large for their type.
        """
        s = checked_nodes(s, self.channels, self.as_target.weight, "s")
        pos = checked_positions(pos, s)
        edge_index = checked_edges(edge_index, s.size(0))
        target, n = edge_index[1], s.size(0)
        if edge_weight is None:
            # Counted in whole numbers: bfloat16 counts to 256.
            degree = target.new_zeros(n).index_add(0, target, torch.ones_like(target))
            edge_weight = degree.to(s.dtype).reciprocal()[target]
        elif not isinstance(edge_weight, Tensor) or edge_weight.shape != target.shape:
            raise InputError(
                f"expected one weight for each of the {target.size(0)} edges, found {described(edge_weight)}; "
                "compute the weights on these edges."
            )
        edge_weight = edge_weight.to(s.dtype)
        message, shift = self.propagate(
            edge_index,
            as_target=self.as_target(s),
            as_source=self.as_source(s),
            pos=pos,
            weight=edge_weight[:, None],
            size=(n, n),
        ).split([self.hidden_channels, pos.size(1)], dim=1)
        new_s, new_pos = s + self.update_state(torch.cat([s, message], dim=1)), pos + self.step * shift
        checked_results([new_s, new_pos], [s, pos, edge_weight], self)
        return new_s, new_pos

    def message(self, as_target_i: Tensor, as_source_j: Tensor, pos_i: Tensor, pos_j: Tensor, weight: Tensor) -> Tensor:
        """Weighted message and weighted shift, side by side."""
        towards = pos_j - pos_i
        square = towards.square().sum(dim=1, keepdim=True)
        message = self.edge(as_target_i + as_source_j + self.by_distance(square))
        return weight * torch.cat([message, self.move(message) * towards], dim=1)

    def __repr__(self) -> str:
        return f"EGNNConv({self.channels}, hidden_channels={self.hidden_channels}, step={self.step:g})"
