"""Invariant point attention in the plane: states attend, coordinates move towards those attended to."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import GELU, Dropout, LayerNorm, Linear, Parameter, Sequential
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import InputError, expect
from pyg_gears.nn.attention_terms import attention_terms
from pyg_gears.nn.dense_attention import dense_attention
from pyg_gears.nn.geometry_bias import GeometryBias, GeoMode
from pyg_gears.nn.padded_graphs import PaddedGraphs, pad_graphs
from pyg_gears.nn.segment_softmax import segment_softmax

TAU_RANGE = (0.5, 4.0)
MAX_TAU = 10.0

AttentionMode = Literal["learned", "gate_only", "uniform"]


class IPAConv(MessagePassing):
    r"""Attention over a graph's edges that updates a node state s and planar coordinates x.

    .. math::
        \alpha_{ijh} &= \mathrm{softmax}_{j \to i}(\mathrm{qk}_{ijh} + \mathrm{geo}_{ijh} + \beta g_{ij} + b_{ijh}) \\
        s_i' &= s_i + \mathrm{MLP}([\mathrm{LN}(s_i), \Vert_h \textstyle\sum_j \alpha_{ijh} v_{jh}]) \\
        x_i' &= x_i + \eta \textstyle\sum_h A_h \sum_j \alpha_{ijh} (x_j - x_i)

    q, k and v are linear in LN(s). qk is :math:`q \cdot k / \sqrt d`, or with ``qk_norm``
    :math:`\tau_h \mathrm{LN}(q) \cdot \mathrm{LN}(k) / \sqrt d` (norms without learned gain, which would be a free
    temperature); b is a pair bias, where one is given. The last layer of the MLP and A start at zero: a new layer
    changes nothing. A node without an incoming edge attends to nothing: its message is zero and its coordinates stay.

    Equivariant under translations of x with every option. With ``frame="rotation"`` and a geo of "none", "monotone" or
    "rbf" equivariant under rotations too; under mirrors only while b_h = 0. With ``frame="free"`` neither.

    Two layouts, equal up to rounding: ``edge`` (message passing, O(e), any graph) and ``dense`` (padded matrix
    products, several times faster where graphs have at most about 2000 nodes and are well filled). ``auto`` chooses
    by size and filling, and takes the edge list under ``torch.compile``.

    Args:
        channels: Channels of the state s.
        heads: Attention heads.
        head_channels: Channels d of q, k and v per head.
        layout: "auto", "edge" or "dense".
        geo: "none", "monotone", "rbf" or "point", see :class:`GeometryBias`.
        frame: "free" (A_h any 2x2 matrix) or "rotation" (A_h = a_h I + b_h J, which commutes with rotations).
        qk_norm: Normalise q and k.
        tau: Temperature of ``qk_norm``, within ``tau_range``.
        learn_tau: Learn one tau per head, clamped to ``tau_range``.
        tau_range: Lowest and highest temperature, within (0, 10]: it is never free.
        beta: Weight of the gate logits.
        step: Step size eta of the coordinates.
        dropout: Dropout inside the state's MLP, 0..1.

    Source: Jumper et al., AlphaFold (2021), invariant point attention; here in the plane, without frames per node, with
    a gate in the logits and coordinates that move by their own attention average.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        head_channels: int = 32,
        layout: Literal["auto", "edge", "dense"] = "auto",
        geo: GeoMode = "none",
        frame: Literal["free", "rotation"] = "free",
        qk_norm: bool = False,
        tau: float = 1.0,
        learn_tau: bool = False,
        beta: float = 2.0,
        step: float = 1.0,
        dropout: float = 0.0,
        tau_range: tuple[float, float] = TAU_RANGE,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        for name, found, known in (
            ("layout", layout, ("auto", "edge", "dense")),
            ("geo", geo, ("none", "monotone", "rbf", "point")),
            ("frame", frame, ("free", "rotation")),
        ):
            expect(
                found in known, f"IPAConv expected {name} among {', '.join(known)}, found {found!r}; name one of them."
            )
        expect(
            0 < tau_range[0] <= tau_range[1] <= MAX_TAU,
            f"IPAConv expected 0 < lowest <= highest <= {MAX_TAU:g} in tau_range, found {tau_range}; narrow it.",
        )
        expect(
            tau_range[0] <= tau <= tau_range[1],
            f"IPAConv expected tau in [{tau_range[0]:g}, {tau_range[1]:g}], found {tau}; outside the attention saturates.",
        )
        expect(
            qk_norm or not learn_tau,
            "IPAConv expected qk_norm=True with learn_tau=True, found qk_norm=False; a free temperature diverges.",
        )
        self.channels, self.heads, self.head_channels = channels, heads, head_channels
        self.layout, self.frame, self.qk_norm, self.beta, self.step = layout, frame, qk_norm, beta, step
        self.tau_range = tau_range
        inner = heads * head_channels
        self.norm = LayerNorm(channels)
        self.project = Linear(channels, 3 * inner, bias=False)
        self.geometry = None if geo == "none" else GeometryBias(geo, channels, heads)
        self.tau: Tensor | None
        if learn_tau:
            self.tau = Parameter(torch.full((heads,), float(tau)))
        else:
            self.register_buffer("tau", torch.full((heads,), float(tau)) if qk_norm else None)
        self.frame_weight = Parameter(torch.zeros(heads, 2, 2 if frame == "free" else 1))
        self.update_state = Sequential(
            Linear(channels + inner, 2 * channels), GELU(), Dropout(dropout), Linear(2 * channels, channels)
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Zero the last layers, so that the layer starts as the identity."""
        torch.nn.init.zeros_(self.frame_weight)
        last = self.update_state[-1]
        assert isinstance(last, Linear)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)

    def forward(
        self,
        s: Float[Tensor, "n c"],
        pos: Float[Tensor, "n 2"],
        edge_index: Int[Tensor, "2 e"],
        gate_logits: Tensor | None = None,
        batch: Int[Tensor, " n"] | None = None,
        *,
        padded: PaddedGraphs | None = None,
        use_geo: bool = True,
        pair_bias: Tensor | None = None,
        step: float | Tensor | None = None,
        attention: AttentionMode = "learned",
        return_terms: bool = False,
    ) -> tuple[Any, ...]:
        """Attend once.

        Args:
            s: Node states, shape (n, c).
            pos: Coordinates, shape (n, 2), best gauge-fixed.
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); a plain tensor or an ``EdgeIndex``.
            gate_logits: Gate of each edge, shared by the heads (e,) or per head (e, h); zero if omitted.
            batch: Graph of each node, shape (n,), ascending; one graph if omitted.
            padded: These same edges laid out by :func:`pad_graphs` with the bias that takes part, ``beta *
                gate_logits`` plus ``pair_bias``: spares several layers on one graph the same work. Read by the dense
                layout only.
            use_geo: Whether the geometry bias takes part (a schedule may delay it).
            pair_bias: Further bias per edge and head, shape (e, h), see :class:`PairBias`; zero if omitted.
            step: Step size in this call, a number or a 0-d tensor; the layer's if omitted.
            attention: An intervention: "gate_only" leaves nothing but the gate in the logits, "uniform" gives all
                incoming edges of a node (a self-loop too) the same weight. ``padded`` must hold what is left.
            return_terms: Return the terms of the logits as well, on the edges.

        Returns:
            New s (n, c) and x (n, 2); with ``return_terms`` a third item, :class:`pyg_gears.nn.AttentionTerms`.

        Raises:
            InputError: when the gate logits are not one (or one per head), or the pair bias not one per head, for each
                edge.
        """
        edge_index = edge_index.as_tensor() if hasattr(edge_index, "as_tensor") else edge_index
        e, n = edge_index.size(1), s.size(0)
        if gate_logits is not None:
            # The message is written only where it is needed: a size in a string is a constant to the compiler.
            if gate_logits.shape not in ((e,), (e, self.heads)):
                raise InputError(
                    f"IPAConv expected gate logits of shape ({e},) or ({e}, {self.heads}), one per edge, found "
                    f"{tuple(gate_logits.shape)}; logits belong to the edges they were computed on."
                )
            gate_logits = self.beta * gate_logits
        if pair_bias is not None and pair_bias.shape != (e, self.heads):
            raise InputError(
                f"IPAConv expected a pair bias of shape ({e}, {self.heads}), one per edge and head, found "
                f"{tuple(pair_bias.shape)}; compute it on these edges."
            )
        geometry = self.geometry if use_geo else None
        z = self.norm(s)
        query, key, value = self.project(z).view(n, 3, self.heads, self.head_channels).unbind(dim=1)
        query, key = self._scale(query, key)
        if attention != "learned":
            query, geometry, pair_bias = torch.zeros_like(query), None, None
            gate_logits = gate_logits if attention == "gate_only" else None
        gate = gate_logits[:, None] if gate_logits is not None and gate_logits.dim() == 1 else gate_logits
        # The coordinates ride along with the values: sum_j a_ij (x_j - x_i) = (A x)_i - x_i sum_j a_ij.
        carried = torch.cat([value, pos[:, None].expand(-1, self.heads, -1)], dim=-1)

        dense = self.layout != "edge" and not return_terms and not torch.compiler.is_compiling()
        if dense and padded is None:
            bias = gate_logits if pair_bias is None else pair_bias if gate is None else gate + pair_bias
            padded = pad_graphs(edge_index, n, batch, bias, s.dtype, auto=self.layout == "auto")
        if dense and padded is not None:
            geo = None if geometry is None else geometry.dense(z, pos, edge_index, padded)
            query, key, value = (padded.pad(part).transpose(1, 2) for part in (query, key, carried))
            received = padded.gather(dense_attention(query, key, value, padded.bias, geo).transpose(1, 2))
            filled: Tensor | None = padded.filled
        else:
            geo = None if geometry is None else geometry(z, pos, edge_index, batch)
            qk = self.edge_updater(edge_index, query=query, key=key)
            logits = qk
            for term in (geo, gate, pair_bias):
                logits = logits if term is None else logits + term
            alpha = segment_softmax(logits, edge_index[1], n)
            received = self.propagate(edge_index, carried=carried, alpha=alpha, size=(n, n))
            filled = edge_index.new_zeros(n, dtype=torch.bool).index_fill(0, edge_index[1], True)

        message, centre = received.split([self.head_channels, 2], dim=-1)
        shift = centre - (pos[:, None] if filled is None else pos[:, None] * filled[:, None, None])
        new_pos = pos + (self.step if step is None else step) * self._turn(shift)
        new_s = s + self.update_state(torch.cat([z, message.flatten(1)], dim=-1))
        if not return_terms:
            return new_s, new_pos
        return new_s, new_pos, attention_terms(qk, geo, gate, pair_bias, alpha)

    def edge_update(self, query_i: Tensor, key_j: Tensor) -> Tensor:
        """Product q . k of every edge and head, shape (e, h)."""
        return (query_i * key_j).sum(dim=-1)

    def message(self, carried_j: Tensor, alpha: Tensor) -> Tensor:
        """Values and coordinates of the source, weighted."""
        return alpha[..., None] * carried_j

    def _scale(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise where asked, and put the whole temperature into the query."""
        width = self.head_channels
        if not self.qk_norm:
            return query / width**0.5, key
        assert self.tau is not None
        query, key = (torch.nn.functional.layer_norm(part, (width,)) for part in (query, key))
        return query * (self.tau.clamp(*self.tau_range) / width**0.5)[:, None], key

    def _turn(self, shift: Tensor) -> Tensor:
        """``sum_h A_h shift_h`` for shifts (n, h, 2)."""
        if self.frame == "free":
            return torch.einsum("hab,nhb->na", self.frame_weight, shift)
        along, across = self.frame_weight[:, 0, 0], self.frame_weight[:, 1, 0]
        x, y = shift.unbind(dim=-1)
        return torch.stack([x @ along - y @ across, y @ along + x @ across], dim=-1)

    def __repr__(self) -> str:
        return (
            f"IPAConv({self.channels}, heads={self.heads}, head_channels={self.head_channels}, layout={self.layout!r})"
        )
