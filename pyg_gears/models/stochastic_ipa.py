"""Attention rounds whose number is drawn in training, so that a layout is good wherever they stop."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import ModuleList

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.models.gated_model import GatedModel
from pyg_gears.models.learned_steps import LearnedSteps
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import ISAB, EdgeGate, IPAConv, pad_sets

REACH = 5.0
"""Step size at a phi of 1: as for the light model, whose maps start at zero too."""


class StochasticIPA(GatedModel):
    r"""Invariant point attention with stochastic recycling.

    .. math::
        s^0 &= \mathrm{MLP}(H), \quad s^1 = s^0 + \mathrm{ISAB}(s^0), \quad
        x^0 = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s, \tilde x) &= \mathrm{IPAConv}_m(s, x, \beta g; 5 \phi_m), \; m = 1..M, \quad x \leftarrow \mathrm{gauge}(\tilde x)

    A recycle is M blocks, the same in every recycle; :math:`\phi_m` in (0, 1) is a learned gate on the coordinates' update. In
    training the number of recycles is drawn from 1..R, a block is left out with probability ``depth_drop``, and states and
    coordinates are taken as given between recycles (``detach``); evaluation runs all of R.

    Its own terms: the stress after every recycle but the last, weighted by the recycle, and the kinetic energy, the mean squared
    move from recycle to recycle.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Most recycles R.
        blocks: Blocks M of a recycle.
        points: Learned points of the set attention at the start.
        beta: Weight of the gate in the logits.
        step: First value of phi, in (0, 1).
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        depth_drop: Probability that a block is left out in training.
        detach: Take states and coordinates as given between recycles.
        deep: Weight of the stress of the earlier recycles.
        kinetic: Weight of the kinetic energy.
        gate: Network (x, edge_index, batch) -> (e,) or (e, heads), 0 on self-loops; an :class:`pyg_gears.nn.EdgeGate` if
            omitted.

    Raises:
        InputError: for fewer than one recycle or block, or a probability outside [0, 1).

    Source: recycling as in Jumper et al., AlphaFold (2021), section 1.10 of its supplement; stochastic depth after Huang et al.,
    Deep networks with stochastic depth (2016), without its rescaling at inference.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"gate_target", "stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 3,
        blocks: int = 4,
        points: int = 16,
        beta: float = 2.0,
        step: float = 0.5,
        noise: float = 0.05,
        depth_drop: float = 0.1,
        detach: bool = True,
        deep: float = 1.0,
        kinetic: float = 0.01,
        gate: torch.nn.Module | None = None,
    ) -> None:
        expect(
            min(recycles, blocks) >= 1,
            f"expected at least one recycle and one block, found {recycles} and {blocks}; ask for one or more.",
        )
        expect(
            0 <= depth_drop < 1,
            f"expected a probability in [0, 1) of leaving a block out, found {depth_drop}; 0 keeps all.",
        )
        super().__init__(in_channels, hidden_channels, EdgeGate(in_channels) if gate is None else gate, beta, noise)
        self.recycles, self.depth_drop, self.detach = recycles, depth_drop, detach
        self.weights = {"recycle_stress": deep, "kinetic": kinetic}
        self.mix = ISAB(hidden_channels, points, heads)
        self.blocks = ModuleList(IPAConv(hidden_channels, heads, head_channels, qk="divided") for _ in range(blocks))
        self.steps = LearnedSteps(blocks, step)

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
        """Lay out every graph of a batch, see :meth:`GatedModel.forward`.

        Returns:
            The first guess and the layout after every recycle that was run.
        """
        start = self._start(batch, edge_index, noise, generator, gate_logits, use_gate, beta, detach_gate)
        graphs, pos = start.graphs, start.pos
        sets = pad_sets(graphs.batch, pos.size(0), graphs.num_graphs)
        state = start.state + sets.gather(self.mix(sets.pad(start.state), mask=sets.mask)).to(start.state.dtype)
        count, coordinates, steps = self.recycles, [pos], self.steps()
        if self.training:
            count = 1 + int(torch.randint(self.recycles, (1,), generator=generator, device="cpu"))
        for recycle in range(count):
            if recycle and self.detach:
                state, pos = state.detach(), pos.detach()
            for block, step in zip(self.blocks, steps, strict=True):
                if self.training and float(torch.rand((), generator=generator, device="cpu")) < self.depth_drop:
                    continue
                state, pos = block(state, pos, graphs.edge_index, bias=start.bias, step=REACH * step)
                pos = gauge_fix(pos, graphs.batch, graphs.num_graphs)
            coordinates.append(pos)
        return StructureOutput(graphs.edge_index, tuple(coordinates), state=state, gate_logits=start.gate_logits)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Stress of the earlier recycles and kinetic energy; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        terms = {}
        earlier = output.coordinates[:-1]
        if self.weights["recycle_stress"] > 0:
            # The first guess counts as recycle 1/2: it is what the first recycle starts from.
            each = torch.stack([linear_stress(pos, batch) for pos in earlier])
            share = each.new_tensor([max(r, 0.5) for r in range(len(earlier))])
            terms["recycle_stress"] = (self.weights["recycle_stress"], (share * each).sum() / share.sum())
        if self.weights["kinetic"] > 0:
            moves = torch.stack([b - a for a, b in pairwise(output.coordinates)])
            terms["kinetic"] = (self.weights["kinetic"], at_least_one(moves.square().sum(dim=2)).mean())
        return terms
