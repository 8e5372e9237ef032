"""Noisy views of log-expression: what an experiment could have given for the same cell."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect

LIMIT = 10.0


def expression_view(
    x: Float[Tensor, "n g"], *, dropout: float, jitter: float, noise: float, generator: torch.Generator | None = None
) -> Float[Tensor, "n g"]:
    r"""One noisy view: genes lost, another depth, noise.

    .. math:: \operatorname{clamp}\big(\log(1 + u_i (e^{m_{ij} x_{ij}} - 1)) + \epsilon_{ij}, \pm 10\big), \quad
        m_{ij} \sim \mathrm{Bernoulli}(1 - p), \; u_i \sim U(1 - s, 1 + s), \; \epsilon_{ij} \sim N(0, \sigma^2)

    Args:
        x: log1p of scaled counts, shape (n, g).
        dropout: p, share of the genes set to zero, in [0, 1]; what is left is not scaled up.
        jitter: s, by how much the depth of a cell varies, in [0, 1].
        noise: sigma, on the scale of the logarithm, at least 0.
        generator: Source of the view, on the CPU; torch's global one if omitted.

    Returns:
        The view, shape (n, g).

    Raises:
        InputError: for a number out of its range.

    Source: the views of the published GEARS encoder.
    """
    for name, found, high in (("dropout", dropout, 1.0), ("jitter", jitter, 1.0), ("noise", noise, math.inf)):
        expect(0 <= found <= high, f"expected {name} of a view in [0, {high:g}], found {found}; 0 turns it off.")

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=x.dtype).to(x.device)

    kept = x * (drawn(*x.shape) >= dropout)
    depth = 1 + jitter * (2 * drawn(len(x), 1) - 1)
    noisy = torch.log1p(depth * torch.expm1(kept))
    noisy = noisy + noise * torch.randn(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    return noisy.clamp(-LIMIT, LIMIT)
