"""Distances with their uncertainty, and coordinates that equivariant messages and springs bring into line with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import ModuleList, Parameter

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import segment_softmax
from pyg_gears.models.distance_terms import (
    coordinate_cycle,
    distance_likelihood,
    triangle_hinge,
    true_pairs,
    uncertainty_spread,
)
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.hard_gate import best_edges
from pyg_gears.models.learned_steps import LearnedSteps
from pyg_gears.models.springs import spring_step
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.nn import DistanceHead, EGNNConv, Perceptron


class DistanceEGNN(StructureModel):
    r"""A head of distances on the candidates, and coordinates that follow it.

    .. math::
        h &= \mathrm{MLP}(H), \quad (d_{ij}, s_{ij}) = \mathrm{Head}(h_i, h_j), \quad
        x^0 = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        a^r_{ij} &= \mathrm{softmax}_{j \to i, j \neq i}(-\alpha_r \log d_{ij} - \gamma_r s_{ij}), \quad
        (h^{r+1}, \tilde x) = \mathrm{EGNNConv}_r(h^r, x^r, a^r) \\
        x^{r+1} &= \mathrm{gauge}(\mathrm{springs}(\tilde x; d, e^{-s}, \eta_r))

    Messages travel from the ``neighbors`` candidates with the least predicted distance; springs lie on all of them. Turning or
    mirroring the initial coordinates turns or mirrors the result.

    Its own terms, on the pairs of the stress: the likelihood of the true distances, the spread of s, the triangle inequality on
    random triples, and the agreement of coordinates and distances.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of states and messages.
        steps: Rounds R of messages and springs.
        neighbors: Candidates that send messages to a node.
        step: First share eta of a spring step, in (0, 1); learned per round.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        likelihood: Weight of the likelihood of true distances.
        spread: Weight of the variance of s.
        triangle: Weight of the triangle inequality.
        cycle: Weight of the agreement of coordinates and distances.

    Raises:
        InputError: for fewer than one step or neighbour.

    Source: E(n) messages after Satorras et al. (2021), springs after Gansner et al. (2005); the combination is that of the
    method's "constraint embedder", whose distances we take as log-normal.
    """

    samples: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 64,
        steps: int = 6,
        neighbors: int = 24,
        step: float = 0.3,
        noise: float = 0.05,
        likelihood: float = 0.1,
        spread: float = 0.01,
        triangle: float = 0.1,
        cycle: float = 0.1,
    ) -> None:
        super().__init__(in_channels)
        expect(steps >= 1, f"expected at least one step, found {steps}; ask for one or more.")
        expect(neighbors >= 1, f"expected at least one neighbour, found {neighbors}; ask for one or more.")
        self.neighbors, self.noise = neighbors, noise
        self.weights = {"likelihood": likelihood, "spread": spread, "triangle": triangle, "cycle": cycle}
        self.embed_state = Perceptron(in_channels, hidden_channels, hidden_channels)
        self.embed_pos = Perceptron(in_channels, hidden_channels, 2)
        self.head = DistanceHead(hidden_channels, hidden_channels)
        self.layers = ModuleList(EGNNConv(hidden_channels) for _ in range(steps))
        self.attention = Parameter(torch.empty(steps, 2))
        self.steps = LearnedSteps(steps, step)
        self._set_attention()

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        super().reset_parameters()
        self._set_attention()

    def _set_attention(self) -> None:
        with torch.no_grad():
            self.attention.copy_(self.attention.new_tensor([1.0, 0.5]).expand_as(self.attention))

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Returns:
            Coordinates of all rounds, the distances along the edges with their log-variances, and h as ``code``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.attention)
        dtype, edges, n = graphs.x.dtype, graphs.edge_index, graphs.x.size(0)
        h, guess = self.embed_state(graphs.x).to(dtype), self.embed_pos(graphs.x).to(dtype)
        with torch.autocast(graphs.x.device.type, enabled=False):
            found = self.head(h, edges)
            loop = edges[0] == edges[1]
            rest, weight = found.distance.masked_fill(loop, 0.0), found.precision.masked_fill(loop, 0.0)
            near = best_edges(-found.distance, edges, n, self.neighbors) & ~loop
            sent, ways = edges[:, near], torch.stack([found.distance[near].log(), found.log_variance[near]], dim=1)
            std = self.noise_scale(noise)
            pos = gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs)
            coordinates, state = [pos], h
            for layer, step, attention in zip(self.layers, self.steps(), self.attention, strict=True):
                share = segment_softmax(-(ways @ attention)[:, None], sent[1], n)[:, 0]
                state, pos = layer(state, pos, sent, share)
                pos = gauge_fix(spring_step(pos, edges, rest, weight, step), graphs.batch, graphs.num_graphs)
                coordinates.append(pos)
        return StructureOutput(
            edges, tuple(coordinates), distances=rest, log_variance=found.log_variance, state=state, code=h
        )

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Likelihood, spread, triangle inequality and cycle; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no true distances.
        """
        assert output.code is not None
        pairs, truth = true_pairs(batch, output.code.size(0), output.code.dtype)
        found = self.head(output.code, pairs)
        terms = {
            "likelihood": lambda: distance_likelihood(found, truth),
            "spread": lambda: uncertainty_spread(found),
            "triangle": lambda: triangle_hinge(self.head, output.code, batch, generator),
            "cycle": lambda: coordinate_cycle(output.pos, pairs, found),
        }
        return weighted_terms(self.weights, terms)
