"""The losses of the published system, and everything that its training measures on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyg_gears.losses.latent import (
    alignment_error,
    edge_log_error,
    gram_error,
    local_scale_error,
    log_radius_error,
    neighborhood_error,
    overlap_terms,
    relative_gram_error,
    variance_outside_plane,
)
from pyg_gears.losses.shared_points import SharedPoints
from pyg_gears.models.generator_diffusion.conditioning import scaled_context
from pyg_gears.models.generator_diffusion.curriculum import Curriculum
from pyg_gears.models.generator_diffusion.denoiser import Denoiser
from pyg_gears.models.generator_diffusion.neighbor_overlap import neighbor_overlap
from pyg_gears.models.generator_diffusion.noise_gate import NoiseGate
from pyg_gears.models.generator_diffusion.noise_levels import HIGH, REFERENCE, draw_levels
from pyg_gears.models.generator_diffusion.preconditioning import edm_preconditioning, score_weight
from pyg_gears.models.generator_diffusion.residual_scale import ResidualScale
from pyg_gears.models.generator_diffusion.score_scale import HIGH_SKIP, ScoreScale
from pyg_gears.models.generator_diffusion.term_weights import GATE_SHARES, TermWeights
from pyg_gears.models.generator_diffusion.training_sets import TrainingSets
from pyg_gears.targets.near_in_set import near_in_set
from pyg_gears.targets.orthogonal_alignment import centred_sets, orthogonal_alignment

LEAST_POINTS = 16
"""Points below which a set takes no part in the losses on neighbours."""
UNCONDITIONED = 0.1
"""Share of the sets trained without a condition, once it has risen: from a tenth of the run to a fifth."""
OVERLAP_LEVEL = 0.5
HIGH_EXTRA = 2.0

Terms = dict[str, tuple[float, Tensor]]


class TrainingTerms(torch.nn.Module):
    """Losses of one step. Curriculum, scales and thresholds are buffers: a resumed run goes on where it stopped.

    Args:
        weights: Weights of the losses.
        curriculum: How high the noise may be.
        relative_noise: Draw noise in units of the data scale (see :func:`draw_levels`); published is absolute.
        low: Least noise level.
        highest: Largest noise level in absolute units, whatever the curriculum says; no limit if None.
        scale_share: Share of the planned steps after which the scale of the residuals is measured, once.
    """

    def __init__(
        self,
        weights: TermWeights,
        curriculum: Curriculum,
        relative_noise: bool,
        low: float,
        highest: float | None,
        scale_share: float,
    ) -> None:
        super().__init__()
        self.weights, self.relative_noise = weights, relative_noise
        self.low, self.highest, self.scale_share = low, highest, scale_share
        self.curriculum = curriculum
        self.scale = ResidualScale()
        self.gate = NoiseGate(GATE_SHARES)
        self.score = ScoreScale()

    @property
    def unconditioned(self) -> float:
        """Share of the sets that are trained without a condition now."""
        return UNCONDITIONED * min(1.0, max(0.0, (self.curriculum.progress - 0.1) / 0.1))

    def forward(self, denoiser: Denoiser, sets: TrainingSets, generator: torch.Generator | None) -> Terms:
        """The losses of one step; in training mode the measurements move on.

        Args:
            denoiser: The denoiser.
            sets: What to train on.
            generator: Source of noise and levels, on the CPU; torch's global one if omitted.
        """
        base = sets.base.detach()
        target = centred_sets(sets.target, sets.mask)
        residual = target @ orthogonal_alignment(target, base, sets.mask) - base
        size = _element_rms(residual, sets.mask)
        if self.training:
            if int(self.curriculum.step) == 0:
                _set_distances(denoiser, target, sets.mask)
            # The factor's columns beyond the plane are zeros: an element is one of all d.
            element = _element_rms(target, sets.mask) * (target.size(2) / base.size(2)) ** 0.5
            lock = int(self.curriculum.step) >= self.scale_share * int(self.curriculum.planned)
            self.scale.update(element, size, lock)
        sigma = self._levels(len(base), generator).to(base)
        noisy, condition = self._disturbed(sets, residual, sigma, generator)
        with torch.no_grad():
            first = denoiser(noisy, sigma, self.scale.value, condition.h, base, None, sets.mask)
        found = denoiser(noisy, sigma, self.scale.value, condition.h, base, first, sets.mask)
        terms = self._denoising(found, residual, noisy, sigma, sets.mask)
        terms |= self._geometry(base + found, sets, sigma, condition.kept)
        terms |= self._overlap(base + found, sets.shared, sigma)
        terms |= self._generator(sets)
        if self.training:
            self._advance(base + found.detach(), sets, sigma)
        return {name: (weight, value) for name, (weight, value) in terms.items() if weight > 0}

    @property
    def cap(self) -> float:
        """The largest noise level now."""
        cap = self.curriculum.cap * float(self.scale.value)
        return cap if self.highest is None else min(cap, self.highest)

    def _levels(self, count: int, generator: torch.Generator | None) -> Tensor:
        return draw_levels(
            count,
            low=self.low,
            cap=self.cap,
            high_share=self.curriculum.high_share,
            unit=float(self.scale.value) / REFERENCE if self.relative_noise else 1.0,
            generator=generator,
        )

    def _disturbed(
        self, sets: TrainingSets, residual: Tensor, sigma: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, _Condition]:
        """Noisy residuals, and the context with some sets' left out."""
        noise = torch.randn(residual.shape, generator=generator, dtype=residual.dtype, device="cpu").to(residual.device)
        noise = noise if sets.mask is None else noise.masked_fill(~sets.mask[..., None], 0.0)
        share = torch.rand(len(residual), generator=generator, device="cpu").to(residual.device)
        kept = share >= self.unconditioned
        h = scaled_context(sets.h, sets.mask) * kept[:, None, None]
        return residual + sigma[:, None, None] * noise, _Condition(h, kept)

    def _denoising(self, found: Tensor, residual: Tensor, noisy: Tensor, sigma: Tensor, mask: Tensor | None) -> Terms:
        """The denoising error, and the size of what the network proposes at high noise."""
        factor = edm_preconditioning(sigma, self.scale.value)
        error = _element_rms(found - residual, mask, floor=0.0).square()
        high = factor.skip < HIGH_SKIP
        # What the network gives, and what it should give: F = (x0 - c_skip x) / c_out.
        kept = factor.skip[:, None, None] * centred_sets(noisy, mask)
        proposed, wanted = (_element_rms(x - kept, mask) / factor.out for x in (found, residual))
        log_ratio = proposed.log() - wanted.log()
        raw = score_weight(sigma, self.scale.value)
        if self.training:
            self.score.update(raw, log_ratio[high].detach())
        weight = self.score.weights(raw, sigma, self.weights.boost)
        value = (weight * error).sum() / weight.sum()
        if self.weights.boost and self.score.is_boosting:
            value = value + HIGH_EXTRA * error[self.score.noisiest(sigma, 0.25)].mean()
        slack = (1 - factor.skip).square() * high
        size = (slack * log_ratio.square()).sum() / slack.sum().clamp(min=1e-8)
        return {"score": (self.weights.score, value), "size": (self.weights.size, size)}

    def _geometry(self, v: Tensor, sets: TrainingSets, sigma: Tensor, kept: Tensor) -> Terms:
        """Losses on the denoised layout, most of them on the cleanest sets only."""
        score = -edm_preconditioning(sigma, self.scale.value).skip.log()
        if self.training:
            self.gate.update(score)
        large = sets.sizes >= LEAST_POINTS
        weights, target, mask = self.weights, sets.target, sets.mask
        return {
            "gram": (
                weights.gram,
                _mean(relative_gram_error(v, target, mask), self.gate.passes("gram", score, kept & large)),
            ),
            "neighborhood": (
                weights.neighborhood,
                _mean(
                    neighborhood_error(v, target, sets.edges, mask),
                    self.gate.passes("neighborhood", score, kept & large),
                ),
            ),
            "edge": (
                weights.edge,
                _mean(edge_log_error(v, target, sets.edges, mask), self.gate.passes("edge", score, kept & large)),
            ),
            "local_scale": (weights.local_scale, _mean(local_scale_error(v, target, sets.edges), large)),
            "subspace": (weights.subspace, variance_outside_plane(v, mask).mean()),
        }

    def _overlap(self, v: Tensor, shared: SharedPoints | None, sigma: Tensor) -> Terms:
        """Agreement of two views, where their noise is low."""
        if shared is None:
            return {}
        clean = ((sigma[shared.first] < OVERLAP_LEVEL) & (sigma[shared.second] < OVERLAP_LEVEL)).to(v.dtype)
        views = [
            v[which].gather(1, place[..., None].expand(-1, -1, v.size(2)))
            for which, place in ((shared.first, shared.first_place), (shared.second, shared.second_place))
        ]
        terms = overlap_terms(views[0], views[1], shared.mask)
        skip = edm_preconditioning(sigma, self.scale.value).skip[shared.second].square()
        return {
            "overlap_gram": (self.weights.overlap_gram, (terms.gram * clean).mean()),
            "overlap_size": (self.weights.overlap_size, (terms.size * clean).mean()),
            "overlap_neighbors": (self.weights.overlap_neighbors, (terms.neighbors * clean * skip).mean()),
        }

    def _generator(self, sets: TrainingSets) -> Terms:
        """Losses on the generator's layout: every set, whatever the noise."""
        arguments = sets.base, sets.target, sets.mask
        edges = local_scale_error(sets.base, sets.target, sets.edges)
        return {
            "base_alignment": (self.weights.base_alignment, alignment_error(*arguments).mean()),
            "base_gram": (self.weights.base_gram, gram_error(*arguments).mean()),
            "base_size": (self.weights.base_size, (log_radius_error(*arguments) + 0.5 * edges).mean()),
        }

    @torch.no_grad()
    def _advance(self, v: Tensor, sets: TrainingSets, sigma: Tensor) -> None:
        """Finish the step; the competence is measured where the noise is high."""
        jaccard = size = None
        high = sigma >= HIGH * self.cap
        high = high & (sets.sizes >= LEAST_POINTS)
        if self.curriculum.competence is not None and bool(high.any()):
            mask = None if sets.mask is None else sets.mask[high]
            jaccard = float(neighbor_overlap(v[high], sets.target[high], mask).mean())
            pair = [_element_rms(centred_sets(x[high], mask), mask) for x in (v, sets.target)]
            size = float((pair[0] / pair[1] * (v.size(2) / sets.target.size(2)) ** 0.5).mean())
        self.curriculum.advance(jaccard=jaccard, size=size)


@dataclass(frozen=True)
class _Condition:
    """Scaled context, zero for sets without a condition, and which sets kept theirs."""

    h: Tensor
    kept: Tensor


def _set_distances(denoiser: Denoiser, target: Tensor, mask: Tensor | None) -> None:
    """The range of the denoiser's distance bins, from the first batch: 1 % and 99 % quantiles."""
    length, _ = near_in_set(target, mask, target.size(1))
    inside = length.isfinite() if mask is None else length.isfinite() & mask[..., None]
    values = length[inside]
    values = values[torch.linspace(0, len(values) - 1, min(len(values), 100_000), device=values.device).long()]
    if len(values):
        low, high = values.quantile(values.new_tensor([0.01, 0.99])).tolist()
        low = max(low, 1e-3 * high)
        if low < high:  # else all distances are equal: no range of them
            denoiser.bias.set_range(low, high)


def _element_rms(x: Tensor, mask: Tensor | None, floor: float = 1e-6) -> Tensor:
    """Root mean square of an element of each set; ``x`` is zero in places without a node."""
    count = x.size(1) if mask is None else mask.sum(dim=1)
    mean = x.square().sum(dim=(1, 2)) / (count * x.size(2))
    # The root of zero has no gradient that is finite.
    return mean.clamp(min=max(floor, 1e-12) ** 2).sqrt()


def _mean(values: Tensor, chosen: Tensor) -> Any:
    """Mean over the chosen sets, zero for none."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)
