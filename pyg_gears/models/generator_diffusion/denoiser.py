"""The network that takes noise off the residual between the true layout and the generator's."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import Linear, ModuleList, Sequential, SiLU

from pyg_gears.models.generator_diffusion.preconditioning import edm_preconditioning
from pyg_gears.nn import ISAB, SAB, DistanceBias, FiLM, FourierTime, angle_histogram
from pyg_gears.targets.orthogonal_alignment import centred_sets

Geometry = Literal["layout", "residual"]
"""What a denoiser knows of the geometry: the layout so far (its distances, its angles and the generator's coordinates), or, as
published, the distances and angles of the residual alone."""
FIRST_OUTPUT = 0.1
"""Factor of the last layer's first weights: an untrained denoiser proposes next to no change of the generator's layout."""


class _LastLayer(Linear):
    """Small at first."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        with torch.no_grad():
            self.weight.mul_(FIRST_OUTPUT)
            self.bias.zero_()


class Denoiser(torch.nn.Module):
    r"""Preconditioned denoiser of padded sets.

    .. math:: D(x; s) = c_{skip} \bar x + c_{out} F(c_{in} \bar x, c_{noise}, H, \hat x, \ldots), \quad \bar x = x - \mathrm{mean}

    F reads per point H, the noise level, its own earlier estimate :math:`\hat x` (zeros in a first pass), a histogram of the
    angles between its nearest neighbours (shut at high noise), the noisy point and, unless ``geometry`` is "residual", the place
    that the generator gave the point: a residual is a difference from it, in its frame. One attention block with a bias by
    distance follows, then induced blocks, each modulated by H and the noise level.

    At the published sizes (256 channels, 32 dimensions, 4 layers, 128 points) 3.88 million parameters.

    Args:
        channels: Channels c of H.
        dims: Dimensions d of the latent layout.
        layers: Induced blocks.
        points: Learned points of each, see :class:`pyg_gears.nn.ISAB`.
        heads: Attention heads.
        distance_bins: Bins of the distances.
        angle_bins: Bins of the angles.
        angle_neighbors: Neighbours whose angles are counted.
        geometry: "layout" (the generator's layout, and that plus the estimate), or "residual" (as published: the estimate alone).
    """

    def __init__(
        self,
        channels: int,
        dims: int,
        layers: int,
        points: int,
        heads: int,
        distance_bins: int = 24,
        angle_bins: int = 8,
        angle_neighbors: int = 12,
        geometry: Geometry = "layout",
    ) -> None:
        super().__init__()
        self.geometry: Geometry = geometry
        self.angle_bins, self.angle_neighbors = angle_bins, angle_neighbors
        self.time = FourierTime(channels)
        read = (3 if geometry == "layout" else 2) * dims
        self.read = Linear(2 * channels + read + angle_bins, channels)
        self.bias = DistanceBias(distance_bins)
        self.first = SAB(channels, heads)
        self.layers = ModuleList(ISAB(channels, points, heads) for _ in range(layers))
        self.films = ModuleList(FiLM(channels, 2 * channels) for _ in range(layers))
        self.head = Sequential(Linear(channels, channels), SiLU(), _LastLayer(channels, dims))

    def forward(
        self,
        x: Float[Tensor, "b m d"],
        sigma: Float[Tensor, " b"],
        scale: Float[Tensor, ""],
        h: Float[Tensor, "b m c"],
        base: Float[Tensor, "b m d"],
        estimate: Float[Tensor, "b m d"] | None,
        mask: Bool[Tensor, "b m"] | None,
    ) -> Float[Tensor, "b m d"]:
        """Estimate the residual; zero in places without a node.

        Args:
            x: Noisy residuals, shape (b, m, d).
            sigma: Noise level of each set, shape (b,).
            scale: Root mean square of an element of the residuals.
            h: Context, scaled; zeros for a set without a condition, shape (b, m, c).
            base: The generator's layout, shape (b, m, d).
            estimate: An earlier estimate of the residual, shape (b, m, d); none in a first pass.
            mask: Places that hold a node, shape (b, m).
        """
        x = centred_sets(x, mask)
        factor = edm_preconditioning(sigma, scale)
        inside = factor.inside[:, None, None]
        earlier = torch.zeros_like(x) if estimate is None else _differences(estimate.detach(), mask)
        place = (x if estimate is None else earlier) + (base if self.geometry == "layout" else 0.0)
        angles = angle_histogram(place, mask, self.angle_neighbors, self.angle_bins) * angle_gate(sigma)[:, None, None]
        time = self.time(factor.noise)[:, None].expand(-1, x.size(1), -1)
        parts = [h, time, inside * earlier, angles, inside * x]
        if self.geometry == "layout":
            # A layout of radius 1 has elements of about this size's inverse.
            parts.append(base * base.size(2) ** 0.5)
        state = self.read(torch.cat(parts, dim=2))
        state = self.first(state, mask=mask, bias=self.bias(place))
        condition = torch.cat([h, time], dim=2)
        for layer, film in zip(self.layers, self.films, strict=True):
            state = film(layer(state, mask=mask), condition)
        out = factor.skip[:, None, None] * x + factor.out[:, None, None] * self.head(state)
        return out if mask is None else out.masked_fill(~mask[..., None], 0.0)


def _differences(estimate: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m d"]:
    """An estimate without its set's mean; zero where nodes differ by rounding, which angles, having no scale, would read."""
    if mask is not None:
        estimate = estimate.masked_fill(~mask[..., None], 0.0)
    found = centred_sets(estimate, mask)
    rounding = 8 * torch.finfo(found.dtype).eps * estimate.abs().amax(dim=(1, 2), keepdim=True)
    return found.masked_fill(found.abs() <= rounding, 0.0)


def angle_gate(sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """How far angles count at a noise level: half at 0.3, where noise has drowned them."""
    return torch.sigmoid(20 * (0.30 - sigma))
