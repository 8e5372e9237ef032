"""What a graph adds to the logits of attention: its gate and its pair bias, laid out once for all layers."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.nn.padded_graphs import PaddedGraphs, mask_value, pad_graphs


@dataclass(frozen=True)
class AttentionBias:
    r"""The additive bias of attention logits on the edges of a batch.

    .. math:: b_{ijh} = \beta g_{ij(h)} + p_{ijh}, \quad -\infty \text{ on edges that are not kept}

    Layers that work on the same graph share one, so that edges are laid out for the dense layout once;
    ``dataclasses.replace`` with other terms keeps that layout (the edges themselves must stay).

    Attributes:
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e), a plain tensor.
        num_nodes: Nodes n of the batch.
        batch: Graph of each node, shape (n,), ascending; one graph if None.
        gate_logits: Gate g of each edge, shared by the heads (e,) or per head (e, h); zero if None.
        pair_bias: Further bias p per edge and head, shape (e, h); zero if None.
        beta: Weight of the gate, a number or a 0-d tensor.
        kept: Edges that take part, shape (e,); all if None.

    Raises:
        InputError: when there is not one gate logit, or one row of the pair bias, per edge.

    >>> bias = AttentionBias(torch.tensor([[0, 1], [1, 0]]), 2, gate_logits=torch.tensor([1.0, 3.0]), beta=2.0)
    >>> bias.logits(torch.float32)
    tensor([[2.],
            [6.]])
    """

    edge_index: Int[Tensor, "2 e"]
    num_nodes: int
    batch: Int[Tensor, " n"] | None = None
    gate_logits: Float[Tensor, "e ..."] | None = None
    pair_bias: Float[Tensor, "e h"] | None = None
    beta: float | Tensor = 1.0
    kept: Bool[Tensor, " e"] | None = None
    _padded: dict[bool, PaddedGraphs | None] = field(default_factory=dict, repr=False, compare=False)
    _dense: dict[torch.dtype, Tensor] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        e = self.edge_index.size(1)
        for name, values in (("gate logits", self.gate_logits), ("a pair bias", self.pair_bias)):
            # The message is written only where it is needed: a size in a text is a constant to a compiler.
            if values is not None and values.size(0) != e:
                raise InputError(
                    f"expected {name} for the {e} edges of the graph in use, found {values.size(0)}: they belong to "
                    "another support; compute them on these edges, or use no gate on an oracle graph."
                )

    @property
    def gate(self) -> Float[Tensor, "e a"] | None:
        """The gate's term, shape (e, 1) or (e, h)."""
        if self.gate_logits is None:
            return None
        logits = self.gate_logits[:, None] if self.gate_logits.dim() == 1 else self.gate_logits
        return self.beta * logits

    def logits(self, dtype: torch.dtype) -> Float[Tensor, "e a"] | None:
        """The whole bias on the edges, shape (e, 1) or (e, h); None where nothing is added."""
        gate, pair = self.gate, self.pair_bias
        total = pair if gate is None else gate if pair is None else gate + pair
        if total is not None:
            total = total.to(dtype)
        if self.kept is None:
            return total
        if total is None:
            total = torch.zeros(self.kept.size(0), 1, dtype=dtype, device=self.kept.device)
        return total.masked_fill(~self.kept[:, None], mask_value(dtype))

    def padded(self, auto: bool) -> PaddedGraphs | None:
        """Where edges and nodes lie in the dense layout, see :func:`pad_graphs`; found once."""
        if auto not in self._padded:
            self._padded[auto] = pad_graphs(self.edge_index, self.num_nodes, self.batch, auto=auto)
        return self._padded[auto]

    def dense(self, graphs: PaddedGraphs, dtype: torch.dtype) -> Float[Tensor, "b a m m"]:
        """The bias for every pair of every padded graph, masked where there is no edge; laid out once."""
        if dtype not in self._dense:
            logits = self.logits(dtype)
            if logits is None:
                logits = torch.zeros(self.edge_index.size(1), 1, dtype=dtype, device=self.edge_index.device)
            self._dense[dtype] = graphs.spread(logits)
        return self._dense[dtype]
