"""A bias per attention head, from an embedding of each pair of nodes."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import gelu

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.geometry.known_values import is_transformed
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import checked_nodes, checked_results
from pyg_gears.nn.edge_pairs import edge_pairs
from pyg_gears.nn.pair_mlp import pair_mlp


class PairBias(torch.nn.Module):
    r"""One additive logit per edge and attention head.

    .. math::
        z_{ij} = \mathrm{MLP}([h_i, h_j, |h_i - h_j|, h_i \odot h_j]), \quad b_{ij} = W z_{ij}, \quad b_{ii} = 0

    The MLP has layers 4c -> 64 -> 32, each followed by GELU: z is a 32-channel embedding of the pair. W starts at zero,
    so that a new layer adds nothing. At c = 128 and 4 heads: 35,040 parameters, 128 of them W. It sends no messages, so
    edge masks of PyG act on the layers that its bias goes to. Under autocast it runs in the type of its weights.

    Args:
        in_channels: Channels c of the node embedding.
        heads: Attention heads h; of several layers that share the embedding, all of their heads together.
        channels: Channels of the pair embedding z.
        hidden_channels: Width of the MLP's first layer.

    Source: the pair bias of Jumper et al., AlphaFold (2021); here the pair embedding is made from the two ends and is
    not updated.

    >>> bias = PairBias(8, heads=2)
    >>> bias(torch.randn(3, 8), torch.tensor([[0, 1, 2], [1, 0, 2]])).shape
    torch.Size([3, 2])
    """

    def __init__(self, in_channels: int, heads: int, channels: int = 32, hidden_channels: int = 64) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, heads=heads, channels=channels, hidden_channels=hidden_channels)
        self.in_channels, self.heads, self.channels = in_channels, heads, channels
        self.first = Linear(4 * in_channels, hidden_channels)
        self.second = Linear(hidden_channels, channels)
        self.last = Linear(channels, heads, bias=False)
        torch.nn.init.zeros_(self.last.weight)

    def reset_parameters(self) -> None:
        """Draw the embedding's parameters again and zero the last layer."""
        for layer in (self.first, self.second, self.last):
            layer.reset_parameters()
        torch.nn.init.zeros_(self.last.weight)

    def forward(self, x: Float[Tensor, "n c"], edge_index: Int[Tensor, "2 e"]) -> Float[Tensor, "e h"]:
        """Bias of every edge.

        Args:
            x: Embedding, shape (n, c).
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); whatever
                :func:`pyg_gears.graphs.checked_edges` takes.

        Returns:
            Shape (e, h); 0 on self-loops.

        Raises:
            InputError: when ``x`` has another number of channels or another type, when the edges are none of this
                graph's, or when the values are too large for their type.
        """
        x = checked_nodes(x, self.in_channels, self.first.weight)
        edge_index = checked_edges(edge_index, x.size(0))
        if is_transformed():
            x_j, x_i = x[edge_index[0]], x[edge_index[1]]
            pair = torch.cat([x_i, x_j, (x_i - x_j).abs(), x_i * x_j], dim=-1)
            bias = self.last(gelu(self.second(gelu(self.first(pair)))))
            return bias.masked_fill((edge_index[0] == edge_index[1])[:, None], 0.0)
        layers = ((layer.weight, layer.bias) for layer in (self.first, self.second, self.last))
        bias = pair_mlp(x, edge_pairs(edge_index, x.size(0)), edge_index.size(1), *layers)
        checked_results([bias], [x], self)
        return bias

    def __repr__(self) -> str:
        return f"PairBias({self.in_channels}, heads={self.heads}, channels={self.channels})"
