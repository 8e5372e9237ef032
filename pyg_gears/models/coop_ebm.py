"""A generator that Langevin steps on the true energy teach, and a predictor that takes the energy's place at inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.losses import linear_stress
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.losses.membership import membership
from pyg_gears.models.distance_terms import distance_likelihood, true_pairs, uncertainty_spread
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.moving_model import downhill
from pyg_gears.models.springs import spring_step
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.nn import DistanceHead, Perceptron, pad_sets

SPRING_STEP = 0.3


class CoopEBM(StructureModel):
    r"""Cooperative learning with an energy that is known in training.

    .. math::
        h &= \mathrm{ISAB}^K([H, z]), \quad x^0 = \mathrm{gauge}(\mathrm{MLP}(h)), \quad (d, s) = \mathrm{Head}(h_i, h_j), \quad
        x = \mathrm{gauge}(\mathrm{springs}^R(x^0; d, e^{-s})) \\
        y_{l+1} &= \mathrm{gauge}(y_l - \eta\, \hat\nabla E(y_l) + \sqrt{2 \eta \theta}\, \xi_l), \quad y_0 = x^0, \quad
        L_{teach} = \tfrac1n \|x^0 - y_L\|^2

    E is the linear stress, its gradient divided by its root mean square over a graph, so that eta is a length; y takes no
    gradient. In training the Langevin chain revises what the generator proposes and the generator follows; in evaluation, where
    there is no true energy, R springs towards the predicted distances revise it instead.

    Its own terms: the teaching, the likelihood of the true distances under the head, the spread of s, the stress of x^0.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks K.
        points: Learned points of each.
        heads: Attention heads; must divide the channels.
        latent_channels: Channels of z, drawn anew for every layout.
        langevin_steps: Steps L of the chain.
        langevin_step: Length eta of the first of L; that of number l, from 0, is 1 - 0.9 l / L of it.
        temperature: Theta, in the unit of eta.
        refine_steps: Springs R of the predictor.
        noise: Standard deviation of z, in training and in further samples.
        teach: Weight of the teaching.
        likelihood: Weight of the likelihood.
        spread: Weight of the variance of s.
        first: Weight of the stress of x^0.

    Raises:
        InputError: for fewer than one Langevin step, a negative temperature or number of springs, or no channel of z.

    Source: Xie et al., Cooperative training of descriptor and generator networks (2018). The energy is the stress alone, without
    the random walk, whose powers would cost ten times the step; the predictor gives distances, not sigma and T.
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        layers: int = 2,
        points: int = 16,
        heads: int = 4,
        latent_channels: int = 8,
        langevin_steps: int = 10,
        langevin_step: float = 0.1,
        temperature: float = 0.001,
        refine_steps: int = 8,
        noise: float = 0.3,
        teach: float = 1.0,
        likelihood: float = 0.1,
        spread: float = 0.01,
        first: float = 1.0,
    ) -> None:
        super().__init__(in_channels)
        expect(
            langevin_steps >= 1, f"expected at least one Langevin step, found {langevin_steps}; ask for one or more."
        )
        expect(refine_steps >= 0, f"expected 0 or more springs, found {refine_steps}; 0 leaves the refinement out.")
        expect(temperature >= 0, f"expected a temperature of at least 0, found {temperature}; 0 shakes nothing.")
        check_sizes(latent_channels=latent_channels)
        self.latent_channels, self.noise, self.refine_steps = latent_channels, noise, refine_steps
        self.langevin_steps, self.langevin_step, self.temperature = langevin_steps, langevin_step, temperature
        self.weights = {"teaching": teach, "likelihood": likelihood, "spread": spread, "first_stress": first}
        self.context = ContextEncoder(in_channels + latent_channels, hidden_channels, layers, points, heads)
        self.embed_pos = Perceptron(hidden_channels, hidden_channels, 2)
        self.head = DistanceHead(hidden_channels, hidden_channels // 2 or 1)

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Tensor | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Returns:
            The generator's layout and the refined one, the distances along the edges with their log-variances, h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        n, edges, dtype = graphs.x.size(0), graphs.edge_index, graphs.x.dtype
        sets = pad_sets(graphs.batch, n, graphs.num_graphs)
        std = self.noise_scale(noise)
        z = initial_noise(graphs.x.new_zeros(n, self.latent_channels), std, generator)
        h = sets.gather(self.context(sets.pad(torch.cat([graphs.x, z], dim=1)), sets.mask)).to(dtype)
        pos = gauge_fix(self.embed_pos(h).to(dtype), graphs.batch, graphs.num_graphs)
        coordinates = [pos]
        with torch.autocast(graphs.x.device.type, enabled=False):
            found = self.head(h, edges)
            loop = edges[0] == edges[1]
            rest, weight = found.distance.masked_fill(loop, 0.0), found.precision.masked_fill(loop, 0.0)
            for _ in range(self.refine_steps):
                pos = spring_step(pos, edges, rest, weight, SPRING_STEP)
            if self.refine_steps:
                coordinates.append(gauge_fix(pos, graphs.batch, graphs.num_graphs))
        return StructureOutput(edges, tuple(coordinates), distances=rest, log_variance=found.log_variance, state=h)

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Teaching, likelihood, spread and the stress of the generator's layout; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no stress target.
        """
        assert output.state is not None
        pairs, truth = true_pairs(batch, output.state.size(0), output.state.dtype)
        found = self.head(output.state, pairs)
        terms = {
            "teaching": lambda: at_least_one(
                (output.initial - self.revised(output.initial, batch, generator)).square().sum(dim=1)
            ).mean(),
            "likelihood": lambda: distance_likelihood(found, truth),
            "spread": lambda: uncertainty_spread(found),
            "first_stress": lambda: linear_stress(output.initial, batch),
        }
        return weighted_terms(self.weights, terms)

    def revised(
        self, pos: Float[Tensor, "n 2"], batch: Any, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n 2"]:
        """The end of a Langevin chain on the true energy that starts at a layout, without a gradient, shape (n, 2).

        Args:
            pos: Where it starts, shape (n, 2).
            batch: Batch with the stress target.
            generator: Source of the noise; torch's global one if omitted.
        """
        members = membership(batch, pos.size(0), pos.device)
        place = members.in_gauge(pos.detach())
        for step in range(self.langevin_steps):
            length = self.langevin_step * (1 - 0.9 * step / self.langevin_steps)
            way = downhill(place, batch)
            size = members.node_mean(way.square().sum(dim=1)).sqrt().clamp(min=1e-12)
            shaken = initial_noise(place, (2 * length * self.temperature) ** 0.5, generator)
            place = members.in_gauge(place + length * way / size[members.batch, None] + shaken)
        return place
