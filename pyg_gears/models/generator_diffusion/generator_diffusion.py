"""The published structure model: a generator of a first layout, and a diffusion that refines it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Parameter

from pyg_gears.errors import InputError, expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses.latent import true_edges
from pyg_gears.losses.shared_points import shared_points
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.generator_diffusion.conditioning import scaled_context
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.generator_diffusion.curriculum import Curriculum
from pyg_gears.models.generator_diffusion.denoiser import Denoiser, Geometry
from pyg_gears.models.generator_diffusion.metric_set_generator import MetricSetGenerator
from pyg_gears.models.generator_diffusion.neighbor_overlap import NEIGHBORS
from pyg_gears.models.generator_diffusion.planar import majorised, principal_plane
from pyg_gears.models.generator_diffusion.sampler import heun_sample, karras_levels
from pyg_gears.models.generator_diffusion.term_weights import TermWeights
from pyg_gears.models.generator_diffusion.training_sets import TrainingSets
from pyg_gears.models.generator_diffusion.training_terms import Terms, TrainingTerms
from pyg_gears.models.graph_input import GraphInput, read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import PaddedSets, pad_sets

HIGHEST_START = 5.0


class GeneratorDiffusion(StructureModel):
    r"""Latent coordinates from the embedding of a set, refined by a residual diffusion and laid into the plane.

    .. math::
        H = \mathrm{Context}(x), \quad V_0 = G(H), \quad R \sim \mathrm{sampler}(D(\cdot; s, H, V_0)), \quad
        V = V_0 + R, \quad \mathrm{pos} = \mathrm{gauge}(\mathrm{plane}(V))

    The model sees the nodes of a graph as a set: it reads no edges. In training the generator's layout is returned and the
    denoiser learns in :meth:`loss_terms`; in evaluation the sampler runs, without a gradient. Without noise (``noise=0``) it
    starts at the middle of its distribution and gives one layout, the same every time; with ``noise=1`` it draws a sample.

    The plane is that of the two longest axes of V, after which ``planar_rounds`` of stress majorisation bring the distances in
    the plane closer to those of V: distances from the latent, then a solve, set by set.

    Training must be announced with :meth:`begin_training`, which the package's training does.

    Args:
        in_channels: Channels of the embedding ``x``.
        channels: Channels c of H.
        dims: Dimensions d of V.
        context_layers: Set attention blocks of the context encoder.
        generator_layers: Those of the generator.
        denoiser_layers: Those of the denoiser.
        points: Learned points of each block.
        heads: Attention heads.
        distance_bins: Bins of the denoiser's distance bias.
        angle_bins: Bins of its angles.
        angle_neighbors: Neighbours whose angles are counted.
        geometry: Whose distances and angles it reads, "layout" or "residual".
        steps: Noise levels of the sampler; 0 returns the generator's layout.
        guidance: How far the condition is followed beyond itself, g in x0 = x_null + g (x0 - x_null); 1 follows it as it is.
        start: First noise level of the sampler, in data scales; at most the largest one that the training has reached.
        noise: Scale of the sampler's initial noise in further samples; 1 is the distribution it was trained for.
        planar_rounds: Rounds of stress majorisation.
        generator_rate: Learning rate of the generator, as a multiple of the others'.
        weights: Weights of the losses.
        curriculum: How the noise rises in training; by budget as published if omitted.
        relative_noise: Draw noise levels in units of the data scale.
        low: Least noise level.
        highest: Largest noise level of the training; no limit of its own if None.
        scale_share: Share of the training after which the scale of the residuals is measured.

    Raises:
        InputError: for fewer than two dimensions, or negative steps.

    Source: GEARS (KDD 2026, arXiv 2605.28200). What differs, and why, is listed in docs/published.md.
    """

    samples: ClassVar[bool] = True
    reads_edges: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"gram_factor"})

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        dims: int = 32,
        context_layers: int = 3,
        generator_layers: int = 6,
        denoiser_layers: int = 4,
        points: int = 128,
        heads: int = 4,
        distance_bins: int = 24,
        angle_bins: int = 8,
        angle_neighbors: int = 12,
        geometry: Geometry = "layout",
        steps: int = 200,
        guidance: float = 2.0,
        start: float = 3.0,
        noise: float = 1.0,
        planar_rounds: int = 20,
        generator_rate: float = 5.0,
        weights: TermWeights | None = None,
        curriculum: Curriculum | None = None,
        relative_noise: bool = True,
        low: float = 0.01,
        highest: float | None = None,
        scale_share: float = 0.03,
    ) -> None:
        super().__init__(in_channels)
        expect(dims >= 2, f"expected at least 2 latent dimensions, found {dims}; the layout is a plane of them.")
        expect(steps >= 0, f"expected 0 or more steps of the sampler, found {steps}; 0 leaves the refinement out.")
        self.dims, self.steps, self.guidance, self.start, self.noise = dims, steps, guidance, start, noise
        self.planar_rounds, self.generator_rate, self.low = planar_rounds, generator_rate, low
        self.context = ContextEncoder(in_channels, channels, context_layers, points, heads)
        self.generator = MetricSetGenerator(channels, dims, generator_layers, points, heads)
        self.denoiser = Denoiser(
            channels, dims, denoiser_layers, points, heads, distance_bins, angle_bins, angle_neighbors, geometry
        )
        self.terms = TrainingTerms(
            weights or TermWeights(),
            curriculum or Curriculum(),
            relative_noise=relative_noise,
            low=low,
            highest=highest,
            scale_share=scale_share,
        )

    def begin_training(self, steps: int) -> None:
        """Take note of the number of optimiser steps that are planned: the curriculum divides them."""
        self.terms.curriculum.planned.fill_(steps)

    def learning_rates(self) -> list[tuple[list[Parameter], float]]:
        """The generator learns faster: it is taught by its own losses alone."""
        return [(list(self.generator.parameters()), self.generator_rate)]

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c); the edges are not read, but must be there.
            edge_index: Edges instead of the batch's own; passed on, not read.
            noise: Scale of the sampler's initial noise; 0 if omitted. Of no effect in training mode, where nothing is sampled.
            generator: Source of the noise; torch's global one if omitted.

        Returns:
            The generator's layout, then the refined one (in evaluation); ``latent`` is V, ``state`` is H.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels, self.context.lift.weight)
        sets = pad_sets(graphs.batch, graphs.x.size(0), graphs.num_graphs)
        h = self.context(sets.pad(graphs.x), sets.mask)
        base = self.generator(h, sets.mask)
        h, base = h.to(graphs.x.dtype), base.to(graphs.x.dtype)
        v, coordinates = base, [self._plane(base, sets, graphs, 0 if self.training else self.planar_rounds)]
        if not self.training and self.steps and graphs.x.size(0):
            v = base + self._sampled(h, base, sets, 0.0 if noise is None else noise, generator)
            coordinates.append(self._plane(v, sets, graphs, self.planar_rounds))
        return StructureOutput(graphs.edge_index, tuple(coordinates), state=sets.gather(h), latent=sets.gather(v))

    def loss_terms(self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None) -> Terms:
        """The published losses of generator and denoiser.

        See :class:`~pyg_gears.models.generator_diffusion.TrainingTerms`.

        Raises:
            InputError: when the training was not announced, the batch has no Gram factor, or the model is in half precision.
        """
        expect(
            int(self.terms.curriculum.planned) > 0,
            "expected the number of training steps before the first loss, found none; call begin_training(steps).",
        )
        factor = getattr(batch, "gram_factor", None)
        if factor is None:
            raise InputError("expected gram_factor in the batch, found none; apply transforms.GramFactor first.")
        assert output.state is not None
        assert output.latent is not None
        found = output.state.dtype
        expect(
            found in (torch.float32, torch.float64),
            f"expected a model in float32 or float64 for its losses, found {found}; call .float() on it.",
        )
        if not len(factor):
            return {}  # no node, and nothing to measure
        membership = getattr(batch, "batch", None)
        sets = pad_sets(membership, len(factor), None if membership is None else getattr(batch, "num_graphs", None))
        shared = None
        if getattr(batch, "pair_id", None) is not None and membership is not None:
            sizes = torch.bincount(membership, minlength=sets.num_sets)
            shared = shared_points(batch.pair_id, batch.node_id, sizes)
        with torch.autocast(factor.device.type, enabled=False):
            h, base, target = (sets.pad(part) for part in (output.state, output.latent, factor.to(found)))
            given = TrainingSets(h, base, target, sets.mask, true_edges(target, sets.mask, NEIGHBORS), shared)
            return self.terms(self.denoiser, given, generator)

    def _sampled(
        self, h: Tensor, base: Tensor, sets: PaddedSets, noise: float, generator: torch.Generator | None
    ) -> Tensor:
        """Residuals of padded sets, without a gradient."""
        scale = self.terms.scale.value
        # The weights of an early epoch know no noise above what the curriculum had reached.
        high = min(self.start * float(scale), self.terms.cap, HIGHEST_START)
        levels = karras_levels(high, min(self.low, high), self.steps)
        n = sets.num_sets * sets.size if sets.slot is None else sets.slot.numel()
        start = initial_noise(base.new_zeros(n, self.dims), noise * high, generator)
        base, given, mask = base.detach(), scaled_context(h.detach(), sets.mask), sets.mask

        def twice(x: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
            """An estimate that has read its own first one."""
            first = self.denoiser(x, sigma, scale, condition, base, None, mask)
            return self.denoiser(x, sigma, scale, condition, base, first, mask)

        def denoise(x: Tensor, level: float) -> Tensor:
            sigma = x.new_full((x.size(0),), level)
            found = twice(x, sigma, given)
            if self.guidance != 1.0:
                free = twice(x, sigma, torch.zeros_like(given))
                found = free + self.guidance * (found - free)
            return found.to(x.dtype)

        return heun_sample(denoise, sets.pad(start), levels)

    def _plane(self, v: Tensor, sets: PaddedSets, graphs: GraphInput, rounds: int) -> Float[Tensor, "n 2"]:
        pos = principal_plane(v, sets.mask)
        if rounds:
            pos = majorised(pos, v, sets.mask, rounds)
        return gauge_fix(sets.gather(pos), graphs.batch, graphs.num_graphs)
