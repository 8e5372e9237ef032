"""The largest eigenvalues of symmetric matrices with a gradient that survives equal eigenvalues elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_GAP = 1e-9


def top_eigenpairs(
    matrix: Float[Tensor, "*b m m"], count: int
) -> tuple[Float[Tensor, "*b k"], Float[Tensor, "*b m k"]]:
    r"""The ``count`` largest eigenvalues, falling, and their unit eigenvectors.

    The gradient runs over the pairs of a wanted and any other eigenvector alone,

    .. math::
        \bar A = \sum_{j \le k} \sum_{i \ne j} \frac{u_i^T \bar u_j}{\lambda_j - \lambda_i}\, u_i u_j^T
        + \sum_{j \le k} \bar\lambda_j u_j u_j^T

    so that equal eigenvalues among the others (rows of padding, duplicate nodes) do no harm, where that of
    ``torch.linalg.eigh`` is NaN. Pairs closer than 1e-9 of the largest eigenvalue are left out: between two *wanted* ones the
    true gradient of anything that does not depend on how their plane is turned is zero there.

    The sign of a vector is such that the sum of its cubes is not negative: it does not depend on the order of the rows.

    Args:
        matrix: Symmetric matrices, shape (..., m, m); float64 is advised.
        count: Number k of eigenpairs, at most m.

    Returns:
        Values (..., k) and vectors (..., m, k).
    """
    values, vectors = _TopEigenpairs.apply(matrix, count)
    cubes = vectors.detach().pow(3).sum(dim=-2, keepdim=True)
    return values, torch.where(cubes < 0, -vectors, vectors)


class _TopEigenpairs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, count: int) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix)
        ctx.save_for_backward(values, vectors)
        ctx.count = count
        return values[..., -count:].flip(-1), vectors[..., -count:].flip(-1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        wanted = vectors[..., -ctx.count :].flip(-1)
        gap = values[..., -ctx.count :].flip(-1)[..., None, :] - values[..., :, None]
        apart = gap.abs() > LEAST_GAP * values.abs().amax(dim=-1)[..., None, None]
        share = torch.where(apart, 1.0 / torch.where(apart, gap, 1.0), 0.0) * (vectors.mT @ grads[1])
        total = (vectors @ share + wanted * grads[0][..., None, :]) @ wanted.mT
        return 0.5 * (total + total.mT), None
