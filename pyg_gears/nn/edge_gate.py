"""A soft gate on candidate edges, from the embeddings of their ends."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import gelu
from torch_geometric.nn import MessagePassing

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import checked_nodes, checked_results
from pyg_gears.nn.edge_pairs import edge_pairs
from pyg_gears.nn.observed import sends_messages
from pyg_gears.nn.pair_mlp import pair_mlp


class EdgeGate(MessagePassing):
    r"""One logit per edge (or one per edge and head): how likely its ends are neighbours in space.

    .. math:: g_{ij} = \mathrm{MLP}([h_i, h_j, |h_i - h_j|, h_i \odot h_j]), \quad g_{ii} = 0

    The MLP has layers 4c -> 64 -> 64 -> 1 with GELU between them (37,057 parameters at c = 128). Added to attention
    logits before the softmax it gates softly; nothing is cut.

    Evaluated without per-edge features: the first layer acts on nodes where it can, and on the two symmetric features
    once per pair of nodes. Directed graphs, repeated edges and edges in any order are allowed; a symmetric graph is
    about twice as fast per edge. Under ``torch.compile`` or ``torch.func``, and while an explainer watches, the same
    function runs edge by edge; an edge mask of PyG multiplies the logits. Under autocast it runs in the type of its weights.

    Args:
        in_channels: Channels c of the embedding.
        hidden_channels: Width of both hidden layers.
        heads: Number of logits per edge; None for one, without a head axis.

    Raises:
        InputError: for a size below 1.

    >>> gate = EdgeGate(8)
    >>> gate(torch.randn(3, 8), torch.tensor([[0, 1, 2], [1, 0, 2]])).shape
    torch.Size([3])
    """

    def __init__(self, in_channels: int, hidden_channels: int = 64, heads: int | None = None) -> None:
        super().__init__(aggr=None, node_dim=0)
        check_sizes(in_channels=in_channels, hidden_channels=hidden_channels, heads=1 if heads is None else heads)
        self.in_channels, self.hidden_channels, self.heads = in_channels, hidden_channels, heads
        self.first = Linear(4 * in_channels, hidden_channels)
        self.second = Linear(hidden_channels, hidden_channels)
        self.last = Linear(hidden_channels, heads or 1)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for layer in (self.first, self.second, self.last):
            layer.reset_parameters()

    def forward(
        self, x: Float[Tensor, "n c"], edge_index: Int[Tensor, "2 e"], batch: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, " e"] | Float[Tensor, "e h"]:
        """Gate every edge.

        Args:
            x: Embedding, shape (n, c).
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); whatever
                :func:`pyg_gears.graphs.checked_edges` takes.
            batch: Graph of each node, which every gate is given; an edge's logit here depends on its two ends alone.

        Returns:
            Logits, shape (e,), or (e, heads); 0 on self-loops.

        Raises:
            InputError: when ``x`` has another number of channels or another type, when the edges are none of this
                graph's, or when the values are too large for their type.
        """
        x = checked_nodes(x, self.in_channels, self.first.weight)
        edge_index = checked_edges(edge_index, x.size(0))
        with torch.autocast(x.device.type, enabled=False):
            logits = self._gate(x, edge_index)
        checked_results([logits], [x], self)
        return logits if self.heads else logits[:, 0]

    def _gate(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """The logits, shape (e, heads or 1)."""
        if sends_messages(self):
            as_target = x @ self.first.weight[:, : self.in_channels].T + self.first.bias
            as_source = x @ self.first.weight[:, self.in_channels : 2 * self.in_channels].T
            logits = self.edge_updater(edge_index, x=x, as_target=as_target, as_source=as_source)
            logits = logits.masked_fill((edge_index[0] == edge_index[1])[:, None], 0.0)
            return self.explain_message(logits, x.size(0)) if self.explain else logits
        layers = ((layer.weight, layer.bias) for layer in (self.first, self.second, self.last))
        return pair_mlp(x, edge_pairs(edge_index, x.size(0)), edge_index.size(1), *layers)

    def edge_update(self, x_i: Tensor, x_j: Tensor, as_target_i: Tensor, as_source_j: Tensor) -> Tensor:
        """The logits of every edge, shape (e, heads or 1), edge by edge."""
        symmetric = torch.cat([(x_i - x_j).abs(), x_i * x_j], dim=-1) @ self.first.weight[:, 2 * self.in_channels :].T
        return self.last(gelu(self.second(gelu(as_target_i + as_source_j + symmetric))))

    def __repr__(self) -> str:
        return f"EdgeGate({self.in_channels}, hidden_channels={self.hidden_channels}, heads={self.heads})"
