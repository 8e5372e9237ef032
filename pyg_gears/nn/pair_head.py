"""A network on pairs of nodes that does not care which of the two comes first."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import silu

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import checked_nodes


class PairHead(torch.nn.Module):
    r"""Values of any two nodes, symmetric in them, :math:`\mathrm{MLP}(|u_i - u_j|, u_i u_j, u_i + u_j)` with :math:`u = W h`.

    Any pair can be asked for, whether or not it is an edge.

    Args:
        channels: Channels c of the state h.
        hidden_channels: Channels of u and of the hidden layer.
        out_channels: Values d of a pair.

    >>> PairHead(4, 8, 3)(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])).shape
    torch.Size([2, 3])
    """

    def __init__(self, channels: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        check_sizes(channels=channels, hidden_channels=hidden_channels, out_channels=out_channels)
        self.embed = Linear(channels, hidden_channels)
        self.by_difference = Linear(hidden_channels, hidden_channels, bias=False)
        self.by_product = Linear(hidden_channels, hidden_channels, bias=False)
        self.by_sum = Linear(hidden_channels, hidden_channels)
        self.last = Linear(hidden_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for layer in (self.embed, self.by_difference, self.by_product, self.by_sum, self.last):
            layer.reset_parameters()

    def forward(self, state: Float[Tensor, "n c"], pairs: Int[Tensor, "2 e"]) -> Float[Tensor, "e d"]:
        """Read pairs.

        Args:
            state: Node states h, shape (n, c).
            pairs: Two nodes each, shape (2, e).

        Raises:
            InputError: when ``state`` has another number of channels or another type, or when a pair names none of its
                nodes.
        """
        state = checked_nodes(state, self.embed.in_features, self.embed.weight, "state")
        pairs = checked_edges(pairs, state.size(0), "pairs")
        u = self.embed(state)
        # The part on a single node is computed once per node, not once per pair.
        one, (i, j) = 0.5 * self.by_sum.bias + u @ self.by_sum.weight.T, pairs
        return self.last(silu(self.by_difference((u[i] - u[j]).abs()) + self.by_product(u[i] * u[j]) + one[i] + one[j]))
