"""Structure models that start from a gate on the candidates, first states and first coordinates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import GELU, Linear, Parameter, Sequential

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.models.graph_input import GraphInput, read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import AttentionBias
from pyg_gears.nn.checked_nodes import checked_results


class Start(NamedTuple):
    """What a gated model starts from.

    ``bias`` holds the edges and the gate as the geometry sees it (detached where asked, ``beta`` already in it),
    ``gate_logits`` the gate as its own losses see it. ``pos`` is gauge-fixed.
    """

    graphs: GraphInput
    gate_logits: Tensor | None
    bias: AttentionBias
    state: Tensor
    pos: Tensor


class GatedModel(StructureModel):
    r"""A structure model with a soft gate on the candidate edges.

    .. math::
        g = \mathrm{Gate}(H), \quad s^0 = \mathrm{MLP}(H), \quad x^0 = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise})

    Losses of the gate apply to these models, and the gate and the initial coordinates can be trained first.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        gate: Network (x (n, c), edge_index (2, e), batch (n,) or None) -> logits (e,) or (e, h), 0 on self-loops.
        beta: Weight of the gate.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"gate_target"})

    def __init__(
        self, in_channels: int, hidden_channels: int, gate: torch.nn.Module, beta: float, noise: float
    ) -> None:
        super().__init__(in_channels)
        self.beta, self.noise = beta, noise
        self.gate = gate
        wide = 2 * hidden_channels
        self.embed_state = Sequential(Linear(in_channels, wide), GELU(), Linear(wide, hidden_channels))
        self.embed_pos = Sequential(Linear(in_channels, hidden_channels), GELU(), Linear(hidden_channels, 2))

    @abstractmethod
    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
        gate_logits: Tensor | None = None,
        use_gate: bool = True,
        beta: float | None = None,
        detach_gate: bool = False,
    ) -> StructureOutput:
        """Lay out every graph of a batch.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c) and ``edge_index`` (2, e).
            edge_index: Edges to travel on instead of the batch's own (an oracle graph).
            noise: Standard deviation of the initial noise; by default the model's in training mode and 0 otherwise.
            generator: Source of the noise; torch's global one if omitted.
            gate_logits: Gate logits on these edges, shape (e,) or (e, h); computed by the model's gate if omitted.
            use_gate: False leaves the gate out.
            beta: Weight of the gate in this call; the model's if omitted.
            detach_gate: Stop the gradient from the layout to the gate; the gate logits returned keep theirs.

        Returns:
            The layout, its trajectory and the gate logits.

        Raises:
            InputError: when the embedding does not fit the model, or when the gate logits belong to other edges or are
                given together with ``use_gate=False``.
        """

    @property
    def _weight(self) -> Tensor:
        """A weight that has the model's float type; the replicas of ``DataParallel`` list no parameters."""
        first = self.embed_pos[0]
        assert isinstance(first, Linear)
        return first.weight

    def gate_edges(self, batch: Any) -> Tensor:
        """Gate logits of the candidates of a Batch or a single Data, shape (e,) or (e, h)."""
        graphs = read_graphs(batch, None, self.in_channels, self._weight)
        return self.gate(graphs.x, graphs.edge_index, graphs.batch)

    def pretraining_parameters(self, coordinates: bool) -> list[Parameter]:
        """Those of the gate and, where asked for, of the initial coordinates."""
        return [*self.gate.parameters(), *(self.embed_pos.parameters() if coordinates else ())]

    def _start(
        self,
        batch: Any,
        edge_index: Tensor | None,
        noise: float | None,
        generator: torch.Generator | None,
        gate_logits: Tensor | None,
        use_gate: bool,
        beta: float | None,
        detach_gate: bool,
    ) -> Start:
        """Gate, first state and first coordinates of a call of :meth:`forward`."""
        expect(
            use_gate or gate_logits is None,
            "expected no gate logits with use_gate=False, found some; leave one of the two out.",
        )
        graphs = read_graphs(batch, edge_index, self.in_channels, self._weight)
        if gate_logits is None and use_gate:
            gate_logits = self.gate(graphs.x, graphs.edge_index, graphs.batch)
        seen = gate_logits.detach() if detach_gate and gate_logits is not None else gate_logits
        weight = self.beta if beta is None else beta
        bias = AttentionBias(graphs.edge_index, graphs.x.size(0), graphs.batch, seen, beta=weight)
        if not self.training:  # training shows its divergence as such
            bias.refuse_nan()
        # Under autocast the networks answer in a narrower type; coordinates and states stay in that of the embedding.
        guess, state = self.embed_pos(graphs.x).to(graphs.x.dtype), self.embed_state(graphs.x).to(graphs.x.dtype)
        checked_results([guess, state], [graphs.x], self)
        std = self.noise_scale(noise)
        guess = guess + initial_noise(guess, std, generator)
        pos = gauge_fix(guess, graphs.batch, graphs.num_graphs)
        return Start(graphs, gate_logits, bias, state, pos)


def initial_noise(pos: Tensor, std: float, generator: torch.Generator | None) -> Tensor:
    """Gaussian noise of the shape of ``pos``; the generator decides the draw on any device."""
    if std == 0.0:
        return torch.zeros_like(pos)
    device = pos.device if generator is None else generator.device
    return std * torch.randn(pos.shape, generator=generator, dtype=pos.dtype, device=device).to(pos.device)
