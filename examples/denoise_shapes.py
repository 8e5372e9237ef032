"""The published model's denoiser on another point-set problem: shapes in the plane, from one noisy feature vector per point.

A set is a ring, a square or a clover of 20 to 40 points. A point's features tell, with noise, how far along the outline it lies
and what the outline is. Denoiser and sampler are those that lay out tissue.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn import Linear

from pyg_gears.models.generator_diffusion import Denoiser, draw_levels, heun_sample, karras_levels, score_weight
from pyg_gears.nn import PaddedSets, pad_sets

CHANNELS, FEATURES, SCALE = 32, 7, torch.tensor(0.7)  # SCALE: root mean square of a coordinate
TOP = 3 * float(SCALE)  # noise level at which the shape is gone


def outline(shape: int, along: Tensor) -> Tensor:
    """Points of a shape at shares 0..1 of its outline, centred, about one unit from the middle."""
    angle = 2 * math.pi * along
    ray = torch.stack([angle.cos(), angle.sin()], dim=1)
    ring, square, clover = torch.ones_like(angle), 1 / ray.abs().amax(dim=1), 0.7 + 0.5 * (3 * angle).cos()
    pos = (ring, square, clover)[shape][:, None] * ray
    return pos - pos.mean(dim=0)


def shapes(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor, PaddedSets]:
    """Places (b, m, 2) and features (b, m, 7) of padded sets of different sizes."""
    pos, features, member = [], [], []
    for number in range(count):
        n, shape = int(torch.randint(20, 41, (), generator=draw)), int(torch.randint(3, (), generator=draw))
        along = torch.rand(n, generator=draw)
        phase = 2 * math.pi * along[:, None] * torch.tensor([1.0, 2.0])
        clean = torch.cat([phase.cos(), phase.sin(), torch.eye(3)[shape].expand(n, 3)], dim=1)
        pos.append(outline(shape, along))
        features.append(clean + 0.1 * torch.randn(n, FEATURES, generator=draw))
        member += [number] * n
    sets = pad_sets(torch.tensor(member), len(member), count)
    return sets.pad(torch.cat(pos)), sets.pad(torch.cat(features)), sets


def estimate(denoiser: Denoiser, given: Tensor, sets: PaddedSets, x: Tensor, level: Tensor | float) -> Tensor:
    """A first estimate, then one that has read it (self-conditioning); there is no base layout to refine."""
    sigma, base = torch.as_tensor(level, dtype=x.dtype).expand(len(x)), torch.zeros_like(x)
    with torch.no_grad():
        first = denoiser(x, sigma, SCALE, given, base, None, sets.mask)
    return denoiser(x, sigma, SCALE, given, base, first, sets.mask)


def main(steps: int = 300) -> None:
    """Train, sample from noise, and print how far points lie from their places."""
    torch.manual_seed(0)
    draw = torch.Generator().manual_seed(0)
    lift, denoiser = Linear(FEATURES, CHANNELS), Denoiser(CHANNELS, dims=2, layers=1, points=8, heads=2)
    optimiser = torch.optim.Adam([*lift.parameters(), *denoiser.parameters()], lr=3e-3)
    for _ in range(steps):
        pos, features, sets = shapes(16, draw)
        sigma = draw_levels(16, low=0.02, cap=TOP, high_share=0.3, unit=float(SCALE) / 0.5, generator=draw)
        noise = sets.pad(torch.randn(len(sets.gather(pos)), 2, generator=draw))
        found = estimate(denoiser, lift(features), sets, pos + sigma[:, None, None] * noise, sigma)
        loss = (score_weight(sigma, SCALE)[:, None, None] * (found - pos).square()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    pos, features, sets = shapes(60, draw)
    start = TOP * sets.pad(torch.randn(len(sets.gather(pos)), 2, generator=draw))
    for name, seen in (("their own features", features), ("the features of another set", features.roll(1, dims=0))):
        denoise = partial(estimate, denoiser, lift(seen), sets)
        error = sets.gather(heun_sample(denoise, start, karras_levels(TOP, 0.02, 12)) - pos).norm(dim=1)
        print(f"points laid out by {name}: mean distance to their places {error.mean().item():.2f}")


if __name__ == "__main__":
    main()
