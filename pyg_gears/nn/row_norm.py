"""Layer normalisation of rows whose mean is already zero."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-5


def row_norm(
    rows: Float[Tensor, "r d"], out: Float[Tensor, "r d"] | None = None
) -> tuple[Float[Tensor, "r d"], Float[Tensor, "r 1"]]:
    r"""Divide every row by its root mean square.

    .. math:: y = u / \sqrt{\overline{u^2} + 10^{-5}}

    For rows of mean zero this is layer normalisation without learned gain. A sum of centred linear maps
    (:func:`centered`) and of rows normalised here has mean zero by itself, which spares a pass over the rows.

    Args:
        rows: Values u, shape (r, d).
        out: Where the result is to be written.

    Returns:
        Normalised rows (r, d) and the factor of each (r, 1), which :func:`row_norm_backward` needs.
    """
    square = torch.linalg.vector_norm(rows, dim=1, keepdim=True).square() / rows.size(1)
    scale = (square + EPSILON).rsqrt()
    return torch.mul(rows, scale, out=out), scale


def row_norm_backward(
    grad: Float[Tensor, "r d"], normed: Float[Tensor, "r d"], scale: Float[Tensor, "r 1"]
) -> Float[Tensor, "r d"]:
    """Gradient with respect to the rows that :func:`row_norm` turned into ``normed`` with ``scale``."""
    along = torch.linalg.vecdot(grad, normed).unsqueeze(1) / -grad.size(1)
    return torch.addcmul(grad, normed, along).mul_(scale)


def centered(values: Float[Tensor, " d *k"]) -> Float[Tensor, " d *k"]:
    """A weight (d, k) or bias (d,) less its mean over the d outputs: what it adds to a row has mean zero."""
    return values - values.mean(dim=0)
