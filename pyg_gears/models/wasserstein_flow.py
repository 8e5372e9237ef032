"""Steps of a gradient flow of the energy in the space of point clouds, each made by a network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Linear

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import ISAB, Perceptron, pad_sets


class WassersteinFlow(StructureModel):
    r"""Proximal (JKO) steps of the energy, amortised by a permutation-equivariant network.

    .. math::
        x_{k+1} \approx \arg\min_x E(x) + \tfrac{1}{2\tau} W_2^2(x, x_k), \quad
        x_{k+1} = \mathrm{gauge}(x_k + \mathrm{MLP}(\mathrm{ISAB}([h, x_k, k / K])))

    Nodes keep their names, so that the mean squared move bounds :math:`W_2^2` from above and stands for it. It reads a graph as a
    set, in a pose that the first guess, a function of H, has learned for all sets.

    Its own terms: the stress after every step but the last (which the recipe's losses see), the squared moves over two tau, and
    the stress of the first guess. A step takes its start as given (``detach``): each is a minimisation of its own.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks of h.
        points: Learned points of each block.
        heads: Attention heads; must divide the channels.
        steps: Steps K.
        tau: Length of a step in the flow's time: the larger, the farther a step may go.
        noise: Standard deviation of the noise on the first guess in training mode, in its unit.
        energy: Weight of the mean stress after the earlier steps.
        first: Weight of the stress of the first guess.
        detach: Take the start of every step as given.

    Raises:
        InputError: for fewer than one step, or a tau that is not above 0.

    Source: Jordan, Kinderlehrer, Otto (1998); amortised after Mokrov et al., Large-scale Wasserstein gradient flows (2021). The
    method's own text of this model is cut off: what is not in its title is ours.
    """

    samples: ClassVar[bool] = True
    reads_edges: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        layers: int = 2,
        points: int = 16,
        heads: int = 4,
        steps: int = 3,
        tau: float = 1.0,
        noise: float = 0.05,
        energy: float = 1.0,
        first: float = 1.0,
        detach: bool = True,
    ) -> None:
        super().__init__(in_channels)
        expect(steps >= 1, f"expected at least one step, found {steps}; ask for one or more.")
        expect(tau > 0, f"expected a tau above 0, found {tau}; 1 is the default.")
        self.steps, self.tau, self.noise, self.detach = steps, tau, noise, detach
        self.weights = {"jko_stress": energy, "first_stress": first}
        self.context = ContextEncoder(in_channels, hidden_channels, layers, points, heads)
        self.embed_pos = Perceptron(hidden_channels, hidden_channels, 2)
        self.read = Linear(hidden_channels + 3, hidden_channels)
        self.attend = ISAB(hidden_channels, points, heads)
        self.move = Perceptron(hidden_channels, hidden_channels, 2, zero_init=True)

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`; edges are passed on, not read.

        Returns:
            The first guess and the layout after every step; h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        sets = pad_sets(graphs.batch, graphs.x.size(0), graphs.num_graphs)
        padded = self.context(sets.pad(graphs.x), sets.mask)
        h = sets.gather(padded).to(graphs.x.dtype)
        guess = self.embed_pos(h).to(h.dtype)
        std = self.noise_scale(noise)
        pos = gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs)
        coordinates = [pos]
        for step in range(self.steps):
            start = pos.detach() if self.detach else pos
            time = h.new_full((h.size(0), 1), step / self.steps)
            seen = self.read(torch.cat([h, start, time], dim=1))
            moved = self.move(sets.gather(self.attend(sets.pad(seen), mask=sets.mask))).to(h.dtype)
            pos = gauge_fix(start + moved, graphs.batch, graphs.num_graphs)
            coordinates.append(pos)
        return StructureOutput(graphs.edge_index, tuple(coordinates), state=h)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Stress of the earlier steps, the squared moves, and the stress of the first guess; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        places = output.coordinates
        moves = [b - (a.detach() if self.detach else a) for a, b in pairwise(places)]
        terms: dict[str, tuple[float, Tensor]] = {
            "transport": (0.5 / self.tau, at_least_one(torch.stack(moves).square().sum(dim=2)).mean())
        }
        if self.weights["jko_stress"] > 0 and len(places) > 2:
            earlier = torch.stack([linear_stress(pos, batch) for pos in places[1:-1]])
            terms["jko_stress"] = (self.weights["jko_stress"], earlier.mean())
        if self.weights["first_stress"] > 0:
            terms["first_stress"] = (self.weights["first_stress"], linear_stress(output.initial, batch))
        return terms
