"""Invariant point attention in the plane: states attend, coordinates move towards those attended to."""

from __future__ import annotations

import math
from typing import Literal, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import GELU, Dropout, LayerNorm, Linear, Parameter, Sequential
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.nn.attention_bias import AttentionBias, bias_of_edges
from pyg_gears.nn.attention_terms import AttentionTerms, attention_terms
from pyg_gears.nn.checked_nodes import checked_nodes, checked_positions, checked_results
from pyg_gears.nn.dense_attention import attend_densely
from pyg_gears.nn.geometry_bias import GeometryBias, GeoMode
from pyg_gears.nn.observed import sends_messages
from pyg_gears.nn.qk_scale import TAU_RANGE, qk_scale, starting_tau
from pyg_gears.nn.sparse_attention import sparse_attention, sparse_attention_applies
from pyg_gears.typing import Frame, QKMode

Layout = Literal["auto", "edge", "dense"]


class IPAConv(MessagePassing):
    r"""Attention over a graph's edges that updates a node state s and planar coordinates x.

    .. math::
        \alpha_{ijh} &= \mathrm{softmax}_{j \to i}(\mathrm{qk}_{ijh} + \mathrm{geo}_{ijh} + \beta g_{ij} + b_{ijh}) \\
        s_i' &= s_i + \mathrm{MLP}([\mathrm{LN}(s_i), \Vert_h \textstyle\sum_j \alpha_{ijh} v_{jh}]) \\
        x_i' &= x_i + \eta \textstyle\sum_h A_h \sum_j \alpha_{ijh} (x_j - x_i)

    q, k and v are linear in LN(s); qk is their product at a scale of :func:`pyg_gears.nn.qk_scale.qk_scale`, b a pair bias,
    where one is given. The last layer of the MLP and A start at zero: a new layer changes nothing. A node without an incoming
    edge attends to nothing: its message is zero and its coordinates stay.

    Equivariant under translations of x with every option. With ``frame="rotation"`` and a geo of "none", "monotone" or
    "rbf" equivariant under rotations too; under mirrors only while b_h = 0. With ``frame="free"`` neither.

    Two layouts, equal up to rounding: ``edge`` (O(e), any graph; sparse products on a CPU, elsewhere messages) and
    ``dense`` (padded matrix products, for graphs of at most about 2000 nodes that are well filled). ``auto`` chooses by
    size and filling. Under ``torch.compile`` or ``torch.func`` and while an explainer watches every layout sends messages.

    Args:
        channels: Channels of the state s.
        heads: Attention heads.
        head_channels: Channels d of q, k and v per head.
        layout: "auto", "edge" or "dense".
        geo: "none", "monotone", "rbf" or "point", see :class:`GeometryBias`.
        frame: "free" (A_h any 2x2 matrix) or "rotation" (A_h = a_h I + b_h J, which commutes with rotations).
        qk: "plain" :math:`q \cdot k / \sqrt d`; normalised q and k at the "published" scale (temperature
            :math:`\tau`), "divided" by :math:`\sqrt d`, or with one "learned" temperature; "none" leaves q and k out.
        tau: Temperature of normalised q and k: fixed, in [0.5, 4] (1 if omitted), or a learned one's first (:math:`\sqrt d`).
        tau_range: Lowest and highest value of a learned temperature, within (0, 10], as it is never free; (0.5, 10) if omitted.
        qk_clip: Largest absolute value of the q.k term; unbounded if omitted.
        beta: Weight of the gate logits.
        step: Step size eta of the coordinates.
        dropout: Dropout inside the state's MLP, 0..1.

    Raises:
        InputError: for an unknown choice, a size below 1, or a temperature out of its range or without effect.

    Source: Jumper et al., AlphaFold (2021), invariant point attention; here in the plane, without frames per node, with
    a gate in the logits and coordinates that move by their own attention average.
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        head_channels: int = 32,
        layout: Layout = "auto",
        geo: GeoMode = "none",
        frame: Frame = "free",
        qk: QKMode = "plain",
        tau: float | None = None,
        tau_range: tuple[float, float] | None = None,
        qk_clip: float | None = None,
        beta: float = 2.0,
        step: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        check_sizes(channels=channels, heads=heads, head_channels=head_channels)
        for name, found, known in (
            ("layout", layout, ("auto", "edge", "dense")),
            ("geo", geo, ("none", "monotone", "rbf", "point")),
            ("frame", frame, ("free", "rotation")),
        ):
            expect(found in known, f"expected {name} among {', '.join(known)}, found {found!r}; name one of them.")
        self._start = starting_tau(qk, head_channels, tau, tau_range)
        expect(
            qk_clip is None or (qk_clip > 0 and qk != "none"),
            f"expected qk_clip above 0 and q.k in the logits, found {qk_clip} with qk={qk!r}; leave it out.",
        )
        self.channels, self.heads, self.head_channels = channels, heads, head_channels
        self.layout, self.frame, self.beta, self.step = layout, frame, beta, step
        self.qk, self.tau_range, self.qk_clip = qk, tau_range or TAU_RANGE, qk_clip
        inner = heads * head_channels
        self.norm = LayerNorm(channels)
        self.project = Linear(channels, inner if qk == "none" else 3 * inner, bias=False)
        self.geometry = None if geo == "none" else GeometryBias(geo, channels, heads)
        self.log_tau = Parameter(torch.empty(())) if qk == "learned" else None
        self.tau: Tensor | None
        self.register_buffer("tau", torch.empty(heads) if qk in ("divided", "published") else None)
        self.frame_weight = Parameter(torch.empty(heads, 2, 2 if frame == "free" else 1))
        self.update_state = Sequential(
            Linear(channels + inner, 2 * channels), GELU(), Dropout(dropout), Linear(2 * channels, channels)
        )
        self._set_constants()

    def reset_parameters(self) -> None:
        """Draw all parameters again; the layer starts as the identity."""
        for module in (self.norm, self.project, self.geometry, self.update_state[0], self.update_state[-1]):
            if module is not None:
                assert isinstance(module, LayerNorm | Linear | GeometryBias)
                module.reset_parameters()
        self._set_constants()

    def _set_constants(self) -> None:
        if self.log_tau is not None:
            torch.nn.init.constant_(self.log_tau, math.log(self._start or 1.0))
        if self.tau is not None:
            self.tau.fill_(self._start or 1.0)
        last = self.update_state[-1]
        assert isinstance(last, Linear)
        for zero in (self.frame_weight, last.weight, last.bias):
            torch.nn.init.zeros_(zero)

    @property
    def temperature(self) -> Tensor | None:
        """The temperature of normalised q and k: learned and clamped (0-d), or fixed, one per head (h,)."""
        return self.tau if self.log_tau is None else self.log_tau.exp().clamp(*self.tau_range)

    @overload
    def forward(
        self,
        s: Tensor,
        pos: Tensor,
        edge_index: Tensor,
        gate_logits: Tensor | None = ...,
        batch: Tensor | None = ...,
        *,
        pair_bias: Tensor | None = ...,
        bias: AttentionBias | None = ...,
        use_qk: bool = ...,
        use_geo: bool = ...,
        step: float | Tensor | None = ...,
        return_terms: Literal[False] = ...,
    ) -> tuple[Tensor, Tensor]: ...

    @overload
    def forward(
        self,
        s: Tensor,
        pos: Tensor,
        edge_index: Tensor,
        gate_logits: Tensor | None = ...,
        batch: Tensor | None = ...,
        *,
        pair_bias: Tensor | None = ...,
        bias: AttentionBias | None = ...,
        use_qk: bool = ...,
        use_geo: bool = ...,
        step: float | Tensor | None = ...,
        return_terms: Literal[True],
    ) -> tuple[Tensor, Tensor, AttentionTerms]: ...

    def forward(
        self,
        s: Float[Tensor, "n c"],
        pos: Float[Tensor, "n 2"],
        edge_index: Int[Tensor, "2 e"],
        gate_logits: Tensor | None = None,
        batch: Int[Tensor, " n"] | None = None,
        *,
        pair_bias: Tensor | None = None,
        bias: AttentionBias | None = None,
        use_qk: bool = True,
        use_geo: bool = True,
        step: float | Tensor | None = None,
        return_terms: bool = False,
    ) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, AttentionTerms]:
        """Attend once.

        Args:
            s: Node states, shape (n, c).
            pos: Coordinates, shape (n, 2), best gauge-fixed.
            edge_index: Edges, [0] = source j, [1] = target i, shape (2, e); see :func:`pyg_gears.graphs.checked_edges`.
            gate_logits: Gate of each edge, shared by the heads (e,) or per head (e, h); zero if omitted. -inf leaves an
                edge out, see :class:`AttentionBias`.
            batch: Graph of each node, shape (n,), ascending; one graph if omitted.
            pair_bias: Further bias per edge and head, shape (e, h), see :class:`PairBias`; zero if omitted.
            bias: Gate, pair bias and batch on these edges in one value, in place of those three arguments. Its
                own ``beta`` counts. Layers on one graph share it, and with it the dense layout.
            use_qk: Whether the q.k term takes part; without it, geometry and bias decide alone.
            use_geo: Whether the geometry bias takes part (a schedule may delay it).
            step: Step size in this call, a number or a 0-d tensor; the layer's if omitted.
            return_terms: Return the terms of the logits as well, on the edges.

        Returns:
            New s (n, c) and x (n, 2); with ``return_terms`` a third item, :class:`pyg_gears.nn.AttentionTerms`.

        Raises:
            InputError: when the gate logits are not one (or one per head), or the pair bias not one per head, for each
                edge, or are NaN, when ``bias`` comes together with what it holds or belongs to other edges, when states
                and coordinates are not one per node, or of another type, when edges or batch are none of this graph's,
                or when the values are too large for their type.
        """
        s = checked_nodes(s, self.channels, self.project.weight, "s")
        pos = checked_positions(pos, s, dims=2)
        n = s.size(0)
        edge_index, bias = bias_of_edges(edge_index, n, batch, gate_logits, pair_bias, bias, self.beta)
        bias.check(edge_index, n, self.heads)
        z = self.norm(s)
        query, key, value = self._project(z, pos.dtype, use_qk)
        geometry = self.geometry if use_geo else None
        # The coordinates ride along with the values: sum_j a_ij (x_j - x_i) = (A x)_i - x_i sum_j a_ij.
        carried = torch.cat([value, pos[:, None].expand(-1, self.heads, -1)], dim=-1)

        watched = return_terms or sends_messages(self)
        padded = None if self.layout == "edge" or watched else bias.padded(auto=self.layout == "auto")
        if padded is not None:
            geo = None if geometry is None else geometry.dense(z, pos, edge_index, padded)
            received, mass = attend_densely(query, key, carried, bias, padded, geo, self.qk_clip)
            message, centre = received.split([self.head_channels, 2], dim=-1)
        else:
            geo = None if geometry is None else geometry(z, pos, edge_index, bias.batch)
            # The mass is sent along: an explainer that scales a message scales its share of the coordinates.
            carried = torch.cat([carried, pos.new_ones(n, self.heads, 1)], dim=-1)
            terms = [term for term in (geo, bias.logits(pos.dtype)) if term is not None]
            if not watched and sparse_attention_applies(pos, edge_index):
                total = sum(terms[1:], terms[0]) if terms else None
                received = sparse_attention(query, key, carried, total, edge_index, bias.rows(), self.qk_clip)
            else:
                qk = self.edge_updater(edge_index, query=query, key=key)
                qk = qk if self.qk_clip is None else qk.clamp(-self.qk_clip, self.qk_clip)
                alpha = segment_softmax(sum(terms, qk), edge_index[1], n)
                received = self.propagate(edge_index, carried=carried, alpha=alpha, size=(n, n))
            message, centre, mass = received.split([self.head_channels, 2, 1], dim=-1)

        shift = centre - pos[:, None] * mass
        with torch.autocast(pos.device.type, enabled=False):  # coordinates keep their precision
            new_pos = pos + (self.step if step is None else step) * self._turn(shift)
        new_s = s + self.update_state(torch.cat([z, message.flatten(1)], dim=-1))
        checked_results([new_s, new_pos], bias.with_terms(s, pos), self)
        if not return_terms:
            return new_s, new_pos
        return new_s, new_pos, attention_terms(qk, geo, bias.gate, bias.pair, alpha)

    def _project(self, z: Tensor, dtype: torch.dtype, use_qk: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, shape (n, h, d) each; without the q.k term, queries and keys of one zero."""
        # Under autocast the projection is of a narrower type than the coordinates, and the attention runs in theirs.
        count = 1 if self.qk == "none" else 3
        parts = self.project(z).to(dtype).view(-1, count, self.heads, self.head_channels).unbind(dim=1)
        if use_qk and self.qk != "none":
            query, key = qk_scale(parts[0], parts[1], self.qk, self.temperature)
        else:
            query, key = parts[-1].new_zeros(2, z.size(0), self.heads, 1).unbind()
        return query, key, parts[-1]

    def edge_update(self, query_i: Tensor, key_j: Tensor) -> Tensor:
        """Product q . k of every edge and head, shape (e, h)."""
        return (query_i * key_j).sum(dim=-1)

    def message(self, carried_j: Tensor, alpha: Tensor) -> Tensor:
        """Values and coordinates of the source, weighted."""
        return alpha[..., None] * carried_j

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
