"""What a graph adds to the logits of attention: its gate and its pair bias, laid out once for all layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import InputError, described
from pyg_gears.geometry.known_values import values_are_known
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.graphs.segment_softmax import segment_sum
from pyg_gears.nn.edge_rows import EdgeRows, edge_rows
from pyg_gears.nn.padded_graphs import PaddedGraphs, mask_value, pad_graphs


@dataclass(frozen=True)
class AttentionBias:
    r"""The additive bias of attention logits on the edges of a batch.

    .. math:: b_{ijh} = \beta g_{ij(h)} + p_{ijh}, \quad -\infty \text{ on edges that are not kept}

    A gate or pair bias of -inf leaves its edge out (in its head, where there is one per head), whatever ``beta`` is. A
    node that is left without an edge attends to nothing, in every layout. A finite logit beyond half of what
    ``pyg_gears.nn.padded_graphs.mask_value`` masks with, or +inf, counts as that much. NaN is not
    looked for, see :meth:`refuse_nan`.

    Layers that work on the same graph share one, so that edges are laid out for the dense layout once;
    ``dataclasses.replace`` with other terms keeps that layout (the edges themselves must stay). Of terms that take a gradient
    make one for every step: what is laid out belongs to the graph of the first backward pass.

    Attributes:
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); whatever :func:`pyg_gears.graphs.checked_edges`
            takes, kept as a plain tensor.
        num_nodes: Nodes n of the batch.
        batch: Graph of each node, shape (n,), ascending; one graph if None.
        gate_logits: Gate g of each edge, shared by the heads (e,) or per head (e, h); zero if None.
        pair_bias: Further bias p per edge and head, shape (e, h); zero if None.
        beta: Weight of the gate, a number or a 0-d tensor.
        kept: Edges that take part, shape (e,); all if None.

    Raises:
        InputError: when there is not one gate logit, or one row of the pair bias, per edge, when they are no floats, when
            ``kept`` is no mask of the edges, or when edges or batch are none of this graph's.

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
    _rows: list[EdgeRows] = field(default_factory=list, repr=False, compare=False)
    _dense: dict[tuple[torch.dtype, bool], Tensor] = field(init=False, default_factory=dict, repr=False, compare=False)
    _reached: list[Tensor | None] = field(init=False, default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        edges = checked_edges(self.edge_index, self.num_nodes)
        object.__setattr__(self, "edge_index", edges)
        object.__setattr__(self, "batch", checked_batch(self.batch, self.num_nodes))
        e, kept = edges.size(1), self.kept
        if kept is not None and (not isinstance(kept, Tensor) or kept.dtype != torch.bool or kept.shape != (e,)):
            raise InputError(f"expected kept as a boolean mask of {e} edges, found {described(kept)}; mark every edge.")
        for name, values in (("gate logits", self.gate_logits), ("a pair bias", self.pair_bias)):
            if values is not None and (not isinstance(values, Tensor) or values.dim() == 0):
                raise InputError(
                    f"expected {name} as a tensor with a row an edge, found {described(values)}; pass one."
                )
            # The message is written only where it is needed: a size in a text is a constant to a compiler.
            if values is not None and values.size(0) != e:
                raise InputError(
                    f"expected {name} for the {e} edges of the graph in use, found {values.size(0)}: they belong to "
                    "another support; compute them on these edges, or use no gate on an oracle graph."
                )
            if values is not None and not values.is_floating_point():
                raise InputError(f"expected {name} as floats, found {values.dtype}; call .float() on them.")

    def refuse_nan(self) -> None:
        """Raise for a logit that is NaN; looked for on the CPU only.

        Raises:
            InputError: when there is one.
        """
        if not values_are_known(self.edge_index):
            return
        for name, values in (("gate logits", self.gate_logits), ("a pair bias", self.pair_bias)):
            if values is not None and bool(values.isnan().any()):
                raise InputError(f"expected {name} without NaN, found some; to leave an edge out, set it to -inf.")

    def check(self, edge_index: Tensor, num_nodes: int, heads: int) -> None:
        """Raise unless this is a bias of these nodes and edges, and per head for as many heads.

        Raises:
            InputError: when it is not. Which edges they are is looked at on the CPU only.
        """
        # A message is written only where it is needed: sizes are symbols to a compiler.
        e = edge_index.size(1)
        if self.edge_index.size(1) != e or self.num_nodes != num_nodes:
            raise InputError(
                f"expected a bias of the {num_nodes} nodes and {e} edges given, found one of {self.num_nodes} and "
                f"{self.edge_index.size(1)}; build it on this graph."
            )
        same = edge_index is self.edge_index or not values_are_known(edge_index)
        if not same and not torch.equal(edge_index, self.edge_index):
            raise InputError(
                "expected a bias of the edges given, found one of other edges or of another order; build it on these."
            )
        given: list[tuple[str, Tensor | None, list[tuple[int, ...]]]] = [
            ("gate logits", self.gate_logits, [(e,), (e, heads)]),
            ("a pair bias", self.pair_bias, [(e, heads)]),
        ]
        for name, values, allowed in given:
            if values is not None and values.shape not in allowed:
                raise InputError(
                    f"expected {name} of shape {' or '.join(map(str, allowed))}, found {tuple(values.shape)}; "
                    f"the layer has {heads} heads."
                )

    @property
    def gate(self) -> Float[Tensor, "e a"] | None:
        """The gate's term, shape (e, 1) or (e, h)."""
        if self.gate_logits is None:
            return None
        return self.beta * _bounded(_per_head(self.gate_logits))

    @property
    def pair(self) -> Float[Tensor, "e h"] | None:
        """The pair bias's term, shape (e, h)."""
        return None if self.pair_bias is None else _bounded(self.pair_bias)

    def with_terms(self, *values: Tensor) -> Iterator[Tensor | None]:
        """These values, then the gate's term and the pair bias's; a term is computed only when it is asked for."""
        yield from values
        yield self.gate
        yield self.pair

    @property
    def dropped(self) -> Bool[Tensor, "e a"] | None:
        """Edges that take no part, shape (e, 1) or (e, h); None where nothing could leave one out."""
        dropped = None if self.kept is None else ~self.kept[:, None]
        for values in (self.gate_logits, self.pair_bias):
            if values is not None:
                masked = torch.isneginf(_per_head(values))
                dropped = masked if dropped is None else dropped | masked
        return dropped

    def reached(self) -> Bool[Tensor, "n a"] | None:
        """Nodes that an edge which takes part enters, shape (n, 1) or (n, h); None where nothing leaves one out.

        On the CPU also None where all are found to be entered.
        """
        if not self._reached:
            dropped, reached = self.dropped, None
            if dropped is not None:
                reached = segment_sum((~dropped).float(), self.edge_index[1], self.num_nodes) > 0
                if values_are_known(reached) and bool(reached.all()):
                    reached = None
            self._reached.append(reached)
        return self._reached[0]

    def logits(self, dtype: torch.dtype) -> Float[Tensor, "e a"] | None:
        """The whole bias on the edges, shape (e, 1) or (e, h), -inf on those left out; None where nothing is added."""
        dropped = self.dropped
        if dropped is None:
            return None
        parts = [_bounded(part.to(dtype)) for part in (self.gate, self.pair) if part is not None]
        total = _bounded(sum(parts[1:], parts[0])) if parts else dropped.new_zeros(dropped.shape, dtype=dtype)
        return total.masked_fill(dropped, -torch.inf)

    def rows(self) -> EdgeRows:
        """The edges sorted by target; found once."""
        if not self._rows:
            self._rows.append(edge_rows(self.edge_index[1], self.edge_index[0], self.num_nodes))
        return self._rows[0]

    def padded(self, auto: bool) -> PaddedGraphs | None:
        """Where edges and nodes lie in the dense layout, see :func:`pad_graphs`; found once."""
        if auto not in self._padded:
            self._padded[auto] = pad_graphs(self.edge_index, self.num_nodes, self.batch, auto=auto)
        return self._padded[auto]

    def dense(self, graphs: PaddedGraphs, dtype: torch.dtype) -> Float[Tensor, "b a m m"]:
        """The bias for every pair of every padded graph, masked where there is no edge; laid out once."""
        key = dtype, torch.is_grad_enabled()  # what was laid out without a gradient has none to give
        if key not in self._dense:
            logits = self.logits(dtype)
            if logits is None:
                logits = torch.zeros(self.edge_index.size(1), 1, dtype=dtype, device=self.edge_index.device)
            # A row without an edge has to stay finite here; see reached for what becomes of it.
            self._dense[key] = graphs.spread(logits.clamp(min=mask_value(dtype)))
        return self._dense[key]


def bias_of_edges(
    edge_index: Int[Tensor, "2 e"],
    num_nodes: int,
    batch: Int[Tensor, " n"] | None,
    gate_logits: Tensor | None,
    pair_bias: Tensor | None,
    bias: AttentionBias | None,
    beta: float,
) -> tuple[Int[Tensor, "2 e"], AttentionBias]:
    """What a layer is given, as checked edges and one bias: that of the call, or one made of its parts.

    Raises:
        InputError: for edges or a batch of another graph, NaN in the parts, or parts beside a bias.
    """
    if bias is None or edge_index is not bias.edge_index:
        edge_index = checked_edges(edge_index, num_nodes)
    if bias is None:
        bias = AttentionBias(edge_index, num_nodes, batch, gate_logits, pair_bias, beta)
        bias.refuse_nan()
    elif gate_logits is not None or pair_bias is not None or batch is not None:
        raise InputError("expected gate logits, pair bias and batch inside bias, found them beside it; leave them out.")
    return edge_index, bias


def _per_head(logits: Tensor) -> Tensor:
    return logits[:, None] if logits.dim() == 1 else logits


def _bounded(logits: Tensor) -> Tensor:
    """Logits that stay finite, and above a masked one, when others are added."""
    limit = -mask_value(logits.dtype) / 2
    return logits.clamp(-limit, limit)
