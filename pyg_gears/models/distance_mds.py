"""Distances of a set's nodes to a few of them, and the layout that classical scaling makes of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.models.distance_terms import distance_likelihood, triangle_hinge, true_pairs, uncertainty_spread
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.graph_input import GraphInput, read_graphs
from pyg_gears.models.landmark_layout import central_landmarks, landmark_layout
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.weighted_terms import weighted_terms
from pyg_gears.nn import DistanceHead, pad_sets
from pyg_gears.targets.multiscale_stress import landmark_count


class DistanceMDS(StructureModel):
    r"""Latent distances, decoded by landmark MDS; the gradient runs through the solve.

    .. math::
        h = \mathrm{ISAB}^K(H), \quad (d, s) = \mathrm{Head}(h_i, h_j), \quad
        x = \mathrm{gauge}(\mathrm{MDS}_L(d^2))

    Landmarks are farthest points of h, one node in 16 and at least 8. It reads a graph as a set; edges only receive their
    distances. A sample draws every distance from the log-normal distribution that the head proposes for it, its deviation scaled
    by ``noise``: drawn one by one, as if their errors had nothing in common, distances at the full deviation fit no layout.

    Its own terms: likelihood of the true distances on the pairs of the stress, spread of s, triangle inequality.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of h.
        layers: Set attention blocks K.
        points: Learned points of each.
        heads: Attention heads; must divide the channels.
        noise: Scale of the deviations in further samples; 1 is the head's own. None is added in training.
        likelihood: Weight of the likelihood.
        spread: Weight of the variance of s.
        triangle: Weight of the triangle inequality.

    Raises:
        InputError: for a negative scale of the noise.

    Source: de Silva and Tenenbaum (2004) for the decoder; a solve by gradient descent, the source's alternative, is not built.
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
        noise: float = 0.1,
        likelihood: float = 0.1,
        spread: float = 0.01,
        triangle: float = 0.1,
    ) -> None:
        super().__init__(in_channels)
        expect(noise >= 0, f"expected a noise of at least 0, found {noise}; 0 gives the same layout every time.")
        self.noise = noise
        self.weights = {"likelihood": likelihood, "spread": spread, "triangle": triangle}
        self.context = ContextEncoder(in_channels, hidden_channels, layers, points, heads)
        self.head = DistanceHead(hidden_channels, hidden_channels)

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c); the edges must be there, to be given distances.
            edge_index: Edges to give distances to instead of the batch's own.
            noise: Scale of the deviations of the distances; 0 if omitted.
            generator: Source of the noise; torch's global one if omitted.

        Returns:
            One layout, the distances along the edges with their log-variances, and h as ``state``.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        sets = pad_sets(graphs.batch, graphs.x.size(0), graphs.num_graphs)
        h = sets.gather(self.context(sets.pad(graphs.x), sets.mask)).to(graphs.x.dtype)
        with torch.autocast(graphs.x.device.type, enabled=False):
            pos = self._layout(h, graphs, 0.0 if noise is None else noise, generator)
            found = self.head(h, graphs.edge_index)
            loop = graphs.edge_index[0] == graphs.edge_index[1]
        return StructureOutput(
            graphs.edge_index,
            (pos,),
            distances=found.distance.masked_fill(loop, 0.0),
            log_variance=found.log_variance,
            state=h,
        )

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Likelihood, spread and triangle inequality; a weight of 0 leaves one out.

        Raises:
            InputError: when the batch has no true distances.
        """
        assert output.state is not None
        pairs, truth = true_pairs(batch, output.state.size(0), output.state.dtype)
        found = self.head(output.state, pairs)
        terms = {
            "likelihood": lambda: distance_likelihood(found, truth),
            "spread": lambda: uncertainty_spread(found),
            "triangle": lambda: triangle_hinge(self.head, output.state, batch, generator),
        }
        return weighted_terms(self.weights, terms)

    def _layout(
        self, h: Tensor, graphs: GraphInput, noise: float, generator: torch.Generator | None
    ) -> Float[Tensor, "n 2"]:
        """Landmark MDS of every graph; a graph of fewer than three nodes stays at the origin."""
        n = h.size(0)
        sizes = [n] if graphs.batch is None else torch.bincount(graphs.batch, minlength=graphs.num_graphs or 0).tolist()
        parts, start = [], 0
        for size in sizes:
            if size >= 3:
                landmarks = central_landmarks(h[start : start + size], landmark_count(size))
                node = torch.arange(size, device=h.device)
                pairs = start + torch.stack([landmarks.repeat_interleave(size), node.repeat(len(landmarks))])
                drawn = self.head(h, pairs).draw(noise, generator).masked_fill(pairs[0] == pairs[1], 0.0)
                parts.append(landmark_layout(drawn.square().view(len(landmarks), size), landmarks))
            else:
                parts.append(h.new_zeros(size, 2))
            start += size
        return gauge_fix(torch.cat(parts) if parts else h.new_zeros(0, 2), graphs.batch, graphs.num_graphs)
