"""VICReg: embeddings of two views agree, keep their variance, and spread it over all channels."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect

EPS = 1e-4


class VICRegOutput(NamedTuple):
    """The three terms, unweighted scalars.

    Attributes:
        invariance: Mean squared difference of the views.
        variance: Mean shortfall of each channel's standard deviation below 1, over both views.
        covariance: Sum of the squared off-diagonal covariances over the channels, mean of both views.
    """

    invariance: Tensor
    variance: Tensor
    covariance: Tensor


def vicreg(a: Float[Tensor, "n c"], b: Float[Tensor, "n c"]) -> VICRegOutput:
    r"""Self-supervision without negatives: what two noisy views of one spot have in common.

    .. math:: \tfrac1{nc} \|A - B\|^2, \quad
        \tfrac1{2c} \sum_{Z \in \{A, B\}} \sum_k \max\bigl(0, 1 - \sqrt{\mathrm{var}(Z_{\cdot k}) + 10^{-4}}\bigr), \quad
        \tfrac1{2c} \sum_Z \sum_{k \ne l} \mathrm{cov}(Z)_{kl}^2

    Args:
        a: Embedding of one view of n spots, shape (n, c).
        b: Embedding of another view of the same spots, shape (n, c).

    Returns:
        The three terms.

    Raises:
        InputError: for fewer than two spots, or views of different shape.

    Source: Bardes, Ponce and LeCun, VICReg: variance-invariance-covariance regularization, 2022. We take the mean of the two
    views in the variance and covariance terms, not their sum.
    """
    expect(
        a.shape == b.shape and a.size(0) >= 2,
        f"expected two views of the same two or more spots, found shapes {tuple(a.shape)} and {tuple(b.shape)}; "
        "embed both views of one batch.",
    )
    variance, covariance = a.new_zeros(()), a.new_zeros(())
    for view in (a, b):
        centred = view - view.mean(dim=0)
        variance = variance + (1 - (centred.square().sum(dim=0) / (len(view) - 1) + EPS).sqrt()).clamp(min=0).mean() / 2
        square = (centred.T @ centred / (len(view) - 1)).square()
        covariance = covariance + (square.sum() - square.diagonal().sum()) / (2 * view.size(1))
    return VICRegOutput((a - b).square().mean(), variance, covariance)
