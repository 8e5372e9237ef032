"""A contextual gate on candidate edges: the logit of an edge depends on the edges around it."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import GELU, Dropout, LayerNorm, Linear, ModuleList, Sequential
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.nn.checked_nodes import checked_nodes, checked_results
from pyg_gears.nn.dense_attention import dense_attention
from pyg_gears.nn.edge_embedding import edge_embedding
from pyg_gears.nn.edge_mlp import edge_mlp, edge_update
from pyg_gears.nn.edge_pairs import EdgePairs, edge_pairs
from pyg_gears.nn.observed import sends_messages
from pyg_gears.nn.padded_graphs import PaddedGraphs, pad_graphs
from pyg_gears.nn.row_norm import centered
from pyg_gears.typing import GateBound


class GateFormer(MessagePassing):
    r"""One logit per edge from graph attention over the candidates: how likely its ends are neighbours in space.

    .. math::
        c^0_i &= \mathrm{LN}(W_c h_i), \quad
        e^0_{ij} = \mathrm{LN}(W_e [h_i, h_j, |h_i - h_j|, h_i \odot h_j, \cos(h_i, h_j)]) \\
        \alpha_{ijh} &= \mathrm{softmax}_{j \to i}(\langle W_q c_i, W_k c_j \rangle_h / \sqrt{d_h} + w_h \cdot e_{ij}) \\
        \tilde c_i &= \mathrm{LN}(c_i + \mathrm{Drop}(\Vert_h \textstyle\sum_j \alpha_{ijh} (W_v c_j)_h)), \quad
        c_i' = \tilde c_i + \mathrm{MLP}(\tilde c_i) \\
        e_{ij}' &= \mathrm{LN}(e_{ij} + \mathrm{MLP}([e_{ij}, c_i', c_j', c_i' - c_j'])) \\
        g_{ij} &= \mathrm{bound}(w \cdot \mathrm{MLP}([e_{ij}, c_i, c_j])), \quad g_{ii} = 0

    Self-loops take no part: they enter no softmax (a node sees itself through its residual), and their logit is 0. So
    the logits of the other edges do not depend on whether self-loops are listed. Directed graphs, repeated edges and
    edges in any order are allowed; a symmetric graph is faster per edge. The result is permutation equivariant, and a
    graph's logits do not depend on the other graphs of a batch. At c = 128 with the defaults: 126,657 parameters.

    Per edge only the features live in memory; see :func:`edge_embedding` and :func:`edge_update` for how. Under
    ``torch.compile`` or ``torch.func``, and while an explainer watches, plain functions run edge by edge; an edge mask of
    PyG multiplies the messages and the logits. Under autocast it runs in the type of its weights.

    Args:
        in_channels: Channels c of the embedding.
        hidden_channels: Channels d of nodes and edges, even and a multiple of ``heads``. The MLPs on edges have d / 2
            hidden channels, those on nodes 2 d.
        heads: Attention heads.
        layers: Rounds of node and edge updates.
        dropout: Share of the aggregated messages and of the hidden values of the node updates that is dropped in
            training, drawn from torch's global generator; at least 0, below 1.
        limit: Bound b of the logits.
        bound: "clip" (as published: the logits are cut at -b and b, where their gradient ends) or "tanh"
            (:math:`b \tanh(z / b)`, which keeps a gradient for every logit).

    Raises:
        InputError: for an argument outside its range.

    Source: the contextual gate of the method. Deviations: the norms of the edge features have no learned gain, which
    the linear maps behind them can take over; dropout acts on nodes, where it costs nothing.

    >>> gate = GateFormer(8)
    >>> gate(torch.randn(3, 8), torch.tensor([[0, 1, 2], [1, 0, 2]])).shape
    torch.Size([3])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        heads: int = 4,
        layers: int = 2,
        dropout: float = 0.1,
        limit: float = 8.0,
        bound: GateBound = "clip",
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        check_sizes(in_channels=in_channels, hidden_channels=hidden_channels, heads=heads, layers=layers)
        d = hidden_channels
        expect(
            d % heads == 0 and d % 2 == 0,
            f"expected hidden_channels even and a multiple of heads, found {d} and {heads}; change one.",
        )
        expect(0 <= dropout < 1, f"expected a dropout in [0, 1), found {dropout}; 0 turns it off.")
        expect(limit > 0, f"expected a positive limit, found {limit}; 8 leaves room on both sides.")
        expect(bound in ("clip", "tanh"), f"expected bound clip or tanh, found {bound!r}; name one of them.")
        self.in_channels, self.hidden_channels, self.heads = in_channels, d, heads
        self.dropout, self.limit, self.bound = dropout, limit, bound
        self.embed_node = Linear(in_channels, d)
        self.embed_norm = LayerNorm(d)
        self.embed_edge = Linear(4 * in_channels + 1, d)
        self.layers = ModuleList(_Layer(d, heads, dropout) for _ in range(layers))
        self.read_first = Linear(3 * d, d // 2)
        self.read_last = Linear(d // 2, 1)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for module in self.modules():
            if isinstance(module, Linear | LayerNorm):
                module.reset_parameters()

    def forward(
        self, x: Float[Tensor, "n c"], edge_index: Int[Tensor, "2 e"], batch: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, " e"]:
        """Gate every edge.

        Args:
            x: Embedding, shape (n, c).
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); whatever
                :func:`pyg_gears.graphs.checked_edges` takes.
            batch: Graph of each node, shape (n,), ascending; one graph if omitted. It lets the attention of a batch run
                on padded graphs, which is faster; the logits are the same.

        Returns:
            Logits in [-limit, limit], shape (e,); 0 on self-loops.

        Raises:
            InputError: when ``x`` has another number of channels or another type, when edges or batch are none of this
                graph's, or when the values are too large for their type.
        """
        x = checked_nodes(x, self.in_channels, self.embed_node.weight)
        edge_index, batch = checked_edges(edge_index, x.size(0)), checked_batch(batch, x.size(0))
        # The gradients of the parts are written out for one type of number: autocast would mix two.
        with torch.autocast(x.device.type, enabled=False):
            logits = self._gate(x, edge_index, batch)
        checked_results([logits], [x], self)
        return logits

    def _gate(self, x: Tensor, edge_index: Tensor, batch: Tensor | None) -> Tensor:
        n, e = x.size(0), edge_index.size(1)
        in_order = sends_messages(self)
        if in_order:
            # Self-loops stay in the list, which then has a known length, and are masked where they would count.
            pairs = EdgePairs(edge_index, torch.arange(e, device=edge_index.device)[None])
            edges, padded = edge_index, None
        else:
            pairs = edge_pairs(edge_index, n)
            # One way of all pairs, then, in a symmetric graph, the way back: the order of every edge tensor below.
            edges = torch.cat([pairs.nodes, pairs.nodes.flip(0)], dim=1)[:, : pairs.edges.numel()]
            padded = pad_graphs(edges, n, batch, auto=True)

        node = self.embed_norm(self.embed_node(x))
        rounds = cast("list[_Layer]", list(self.layers))
        edge, bias = self._embed_edges(x, pairs, rounds[0].edge_bias.weight)
        # The last features bias no further attention.
        following = [layer.edge_bias.weight for layer in rounds[1:]] + [bias.new_empty(0, edge.size(1))]
        for layer, project in zip(rounds, following, strict=True):
            message = self._attend(layer, node, bias, edges, padded)
            node = layer.update_nodes(node, torch.nn.functional.dropout(message, self.dropout, self.training))
            edge, bias = layer.update_edges(node, edge, edges, project)
        by_edge, by_target, by_source = self.read_first.weight.chunk(3, dim=1)
        as_target = torch.addmm(self.read_first.bias, node, by_target.T)
        raw = edge_mlp(
            edge, as_target, node @ by_source.T, edges, by_edge, (self.read_last.weight, self.read_last.bias)
        )[:, 0]
        limit = self.limit
        logits = raw.clamp(-limit, limit) if self.bound == "clip" else limit * (raw / limit).tanh()
        if in_order:
            logits = logits.masked_fill(edges[0] == edges[1], 0.0)
            return self.explain_message(logits, n) if self.explain else logits
        return logits.new_zeros(e).index_copy(0, pairs.edges.flatten(), logits)

    def _embed_edges(self, x: Tensor, pairs: EdgePairs, project: Tensor) -> tuple[Tensor, Tensor]:
        """The first edge features, and the first layer's bias."""
        c = self.in_channels
        weight = centered(self.embed_edge.weight)
        as_target = torch.addmm(centered(self.embed_edge.bias), x, weight[:, :c].T)
        as_source = x @ weight[:, c : 2 * c].T
        return edge_embedding(x, as_target, as_source, weight[:, 2 * c :], project, pairs)

    def _attend(self, layer: _Layer, node: Tensor, bias: Tensor, edges: Tensor, padded: PaddedGraphs | None) -> Tensor:
        """What every node receives in a round of attention, shape (n, d)."""
        n, width = node.size(0), self.hidden_channels // self.heads
        query, key, value = layer.project(node).view(n, 3, self.heads, width).unbind(dim=1)
        query = query / width**0.5
        if padded is not None:
            query, key, value = (padded.pad(part).transpose(1, 2) for part in (query, key, value))
            message = padded.gather(dense_attention(query, key, value, padded.spread(bias)).transpose(1, 2))
        else:
            logits = self.edge_updater(edges, query=query, key=key) + bias
            is_loop = (edges[0] == edges[1])[:, None]
            alpha = segment_softmax(logits.masked_fill(is_loop, -torch.inf), edges[1], n)
            message = self.propagate(edges, value=value, alpha=alpha, size=(n, n))
        return message.flatten(1)

    def edge_update(self, query_i: Tensor, key_j: Tensor) -> Tensor:
        """Product q . k of every edge and head, shape (e, h)."""
        return (query_i * key_j).sum(dim=-1)

    def message(self, value_j: Tensor, alpha: Tensor) -> Tensor:
        """Values of the source, weighted."""
        return alpha[..., None] * value_j

    def __repr__(self) -> str:
        return (
            f"GateFormer({self.in_channels}, hidden_channels={self.hidden_channels}, heads={self.heads}, "
            f"layers={len(self.layers)})"
        )


class _Layer(torch.nn.Module):
    """The weights of one round."""

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        d = channels
        self.project = Linear(d, 3 * d, bias=False)
        self.edge_bias = Linear(d, heads, bias=False)
        self.norm = LayerNorm(d)
        self.update_node = Sequential(Linear(d, 2 * d), GELU(), Dropout(dropout), Linear(2 * d, d))
        self.first = Linear(4 * d, d // 2)
        self.last = Linear(d // 2, d)

    def update_nodes(self, node: Tensor, message: Tensor) -> Tensor:
        """Node states after the message, shape (n, d)."""
        node = self.norm(node + message)
        return node + self.update_node(node)

    def update_edges(self, node: Tensor, edge: Tensor, edges: Tensor, project: Tensor) -> tuple[Tensor, Tensor]:
        """New edge features (e, d) and their projection."""
        by_edge, by_target, by_source, by_difference = self.first.weight.chunk(4, dim=1)
        as_target = torch.addmm(self.first.bias, node, (by_target + by_difference).T)
        as_source = node @ (by_source - by_difference).T
        last = (centered(self.last.weight), centered(self.last.bias))
        return edge_update(edge, as_target, as_source, edges, by_edge, last, project)
