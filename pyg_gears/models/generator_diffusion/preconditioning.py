"""Preconditioning of a denoiser: what it reads and gives has unit size at every noise level."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Preconditioning(NamedTuple):
    """Factors of :math:`x_0 = c_{skip} x + c_{out} F(c_{in} x, c_{noise})`, one per set."""

    skip: Float[Tensor, " b"]
    out: Float[Tensor, " b"]
    inside: Float[Tensor, " b"]
    noise: Float[Tensor, " b"]


def edm_preconditioning(sigma: Float[Tensor, " b"], scale: Float[Tensor, ""]) -> Preconditioning:
    r"""The factors for noise levels s and a data scale :math:`s_d`.

    .. math::
        c_{skip} = \frac{s_d^2}{s^2 + s_d^2}, \quad c_{out} = \frac{s s_d}{\sqrt{s^2 + s_d^2}}, \quad
        c_{in} = \frac{1}{\sqrt{s^2 + s_d^2}}, \quad c_{noise} = \tfrac14 \ln s

    Args:
        sigma: Noise level of each set, shape (b,), above 0.
        scale: Root mean square of an element of the data.

    Source: Karras et al., Elucidating the design space of diffusion-based generative models (2022), table 1.
    """
    total = sigma.square() + scale.square()
    return Preconditioning(
        skip=scale.square() / total, out=sigma * scale / total.sqrt(), inside=total.rsqrt(), noise=sigma.log() / 4
    )


def score_weight(sigma: Float[Tensor, " b"], scale: Float[Tensor, ""]) -> Float[Tensor, " b"]:
    r"""Weight of the squared error, :math:`(s^2 + s_d^2) / (s s_d)^2`: that of F counts the same at every level."""
    return (sigma.square() + scale.square()) / (sigma * scale).square()
