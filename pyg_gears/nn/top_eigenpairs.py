"""The largest eigenvalues of symmetric matrices with a gradient that survives equal eigenvalues elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import described, expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.geometry.checked_sizes import check_sizes

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

    Raises:
        InputError: for other than square matrices of float32 or float64, a count outside 1..m, or values that are NaN or
            infinite (looked at on the CPU only).

    Works under ``torch.func`` (grad, vmap, jvp); a second derivative is not there.
    """
    _check(matrix, count)
    values, vectors, _, _ = _TopEigenpairs.apply(matrix, count)
    cubes = vectors.detach().pow(3).sum(dim=-2, keepdim=True)
    return values, torch.where(cubes < 0, -vectors, vectors)


def eigenpairs_or_nan(
    matrix: Float[Tensor, "*b m m"], count: int
) -> tuple[Float[Tensor, "*b k"], Float[Tensor, "*b m k"]]:
    """As :func:`top_eigenpairs`, but a matrix with NaN or infinity has pairs of NaN, so that training shows its divergence.

    Args:
        matrix: Symmetric matrices, shape (..., m, m).
        count: Number k of eigenpairs, at most m.

    Returns:
        Values (..., k) and vectors (..., m, k).

    Raises:
        InputError: as there, but for values that are NaN or infinite.
    """
    broken = ~matrix.isfinite().all(dim=-1).all(dim=-1)[..., None]
    values, vectors = top_eigenpairs(matrix.masked_fill(broken[..., None], 0.0), count)
    return values.masked_fill(broken, torch.nan), vectors.masked_fill(broken[..., None], torch.nan)


def _check(matrix: Tensor, count: int) -> None:
    good = isinstance(matrix, Tensor) and matrix.dim() >= 2 and matrix.size(-1) == matrix.size(-2)
    good = good and matrix.dtype in (torch.float32, torch.float64)
    expect(
        good,
        f"expected square matrices of float32 or float64, found {described(matrix)}; convert them.",
    )
    check_sizes(count=count)
    size = matrix.size(-1)
    expect(count <= size, f"expected a count of eigenpairs up to {size}, found {count}; ask for fewer.")
    check_finite(matrix=matrix)


class _TopEigenpairs(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix)
        return values[..., -count:].flip(-1), vectors[..., -count:].flip(-1), values, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, ...]) -> None:
        ctx.count = inputs[1]
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(*output[2:])
        ctx.save_for_forward(*output[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        values, vectors = ctx.saved_tensors
        wanted, inverse = _inverse_gaps(values, vectors, ctx.count)
        share = inverse * (vectors.mT @ grads[1])
        total = (vectors @ share + wanted * grads[0][..., None, :]) @ wanted.mT
        return 0.5 * (total + total.mT), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> tuple[Tensor, Tensor, None, None]:
        values, vectors = ctx.saved_tensors
        wanted, inverse = _inverse_gaps(values, vectors, ctx.count)
        turned = 0.5 * (tangents[0] + tangents[0].mT) @ wanted
        return (wanted * turned).sum(dim=-2), vectors @ (inverse * (vectors.mT @ turned)), None, None


def _inverse_gaps(values: Tensor, vectors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The wanted vectors (..., m, k), and 1 / (lambda_j - lambda_i) (..., m, k), 0 where equal."""
    gap = values[..., -count:].flip(-1)[..., None, :] - values[..., :, None]
    apart = gap.abs() > LEAST_GAP * values.abs().amax(dim=-1)[..., None, None]
    return vectors[..., -count:].flip(-1), torch.where(apart, 1.0 / torch.where(apart, gap, 1.0), 0.0)
