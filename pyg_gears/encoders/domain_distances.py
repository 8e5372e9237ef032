"""How far apart two sets of embeddings lie: difference of covariances (CORAL) and of distributions (MMD)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
ROWS = 256
"""Points whose distances to all are held at a time."""


def coral(x: Float[Tensor, "n c"], y: Float[Tensor, "m c"]) -> Float[Tensor, ""]:
    r"""Squared distance of covariances.

    .. math:: \frac{1}{4c^2} \|C_x - C_y\|_F^2

    Args:
        x: Embeddings, shape (n, c), at least two rows.
        y: Embeddings, shape (m, c), at least two rows.

    Returns:
        The distance, at least 0; blind to the means. It grows with the fourth power of the scale of the embeddings.

    Raises:
        InputError: for another number of channels, or fewer than two rows.

    Source: Sun and Saenko, Deep CORAL: correlation alignment for deep domain adaptation, 2016.
    """
    check_domains(x, y)
    return (covariance(x) - covariance(y)).square().sum() / (4 * x.size(1) ** 2)


def mmd(
    x: Float[Tensor, "n c"],
    y: Float[Tensor, "m c"],
    bandwidths: Sequence[float] | None = None,
    *,
    unbiased: bool = False,
) -> Float[Tensor, ""]:
    r"""Squared maximum mean discrepancy with a mean of Gaussian kernels.

    .. math:: \mathrm{mean}_{ij}\, k(x_i, x_j) + \mathrm{mean}_{ij}\, k(y_i, y_j) - 2\, \mathrm{mean}_{ij}\, k(x_i, y_j),
        \quad k(a, b) = \mathrm{mean}_\sigma \exp\left(-\frac{\|a - b\|^2}{2\sigma^2}\right)

    Costs (n + m)^2 kernels, those of 256 points at a time: draw a sample of large sets first.

    Args:
        x: Embeddings, shape (n, c), at least two rows.
        y: Embeddings, shape (m, c), at least two rows.
        bandwidths: Kernel widths sigma, above 0; :func:`median_bandwidths` of the two sets if omitted.
        unbiased: Leave out a point's similarity with itself. The plain statistic exceeds the true discrepancy by about
            (1 - mean k)(1/n + 1/m), which in small batches would pull points together; the unbiased one may be below 0.

    Returns:
        The squared discrepancy, at least 0 unless ``unbiased``. With default bandwidths it does not depend on the scale of the
        embeddings, and no gradient flows through the bandwidths.

    Raises:
        InputError: for another number of channels, fewer than two rows, or a bandwidth that is not above 0.

    Source: Gretton et al., A kernel two-sample test, 2012. Several widths in place of one.
    """
    check_domains(x, y)
    widths = median_bandwidths(x, y) if bandwidths is None else tuple(bandwidths)
    expect(
        len(widths) > 0 and all(width > 0 for width in widths),
        f"expected bandwidths above 0, found {list(widths)}; leave them out for the median heuristic.",
    )
    n, m = x.size(0), y.size(0)
    within_x, within_y, across, form = (x.new_zeros(()) for _ in range(4))
    weight = torch.cat([x.new_full((n,), 1 / n), x.new_full((m,), -1 / m)])
    for first, distance in _squared_distances(torch.cat([x, y])):
        kernel = torch.stack([(distance / (-2 * width**2)).exp() for width in widths]).mean(dim=0)
        of_x = min(max(n - first, 0), len(kernel))
        if unbiased:
            within_x = within_x + kernel[:of_x, :n].sum()
            within_y = within_y + kernel[of_x:, n:].sum()
            across = across + kernel[:of_x, n:].sum()
        else:
            form = form + weight[first : first + len(kernel)] @ kernel @ weight
    if unbiased:  # a point's similarity with itself is 1
        return (within_x - n) / (n * (n - 1)) + (within_y - m) / (m * (m - 1)) - 2 * across / (n * m)
    # The form is never negative; rounding may make it so.
    return form.clamp_min(0.0)


def median_bandwidths(
    x: Float[Tensor, "n c"], y: Float[Tensor, "m c"], scales: Sequence[float] = SCALES
) -> tuple[float, ...]:
    """The median distance between two points of the pooled sets, times 1/4, 1/2, 1, 2 and 4, or other ``scales``.

    Where most points coincide the mean distance stands in for the median; 1 where all do.
    """
    above = [
        distance.sqrt()[torch.ones_like(distance, dtype=torch.bool).triu(first + 1)]
        for first, distance in _squared_distances(torch.cat([x.detach(), y.detach()]))
    ]
    pairs = torch.cat(above)
    middle = float(pairs.median()) or float(pairs.mean()) or 1.0
    return tuple(middle * scale for scale in scales)


def covariance(x: Float[Tensor, "n c"]) -> Float[Tensor, "c c"]:
    """Sample covariance (divided by n - 1) of the rows."""
    centred = x - x.mean(dim=0)
    return centred.T @ centred / (x.size(0) - 1)


def _squared_distances(z: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The first of some consecutive points, and the squared distances of these to all points."""
    # Centred first, so that the difference of squares loses no digits to a common offset.
    z = z - z.mean(dim=0).detach()
    square = z.square().sum(dim=1)
    for first in range(0, len(z), ROWS):
        rows = slice(first, first + ROWS)
        distance = (square[rows, None] + square[None, :] - 2 * z[rows] @ z.T).clamp_min(0.0)
        itself = torch.zeros_like(distance, dtype=torch.bool)
        itself.diagonal(first).fill_(True)
        yield first, distance.masked_fill(itself, 0.0)


def check_domains(x: Tensor, y: Tensor) -> None:
    """Check that two sets can be compared.

    Raises:
        InputError: for another number of channels, or fewer than two rows.
    """
    expect(
        x.dim() == 2 and y.dim() == 2 and x.size(1) == y.size(1),
        f"expected two sets with the same channels, found shapes {tuple(x.shape)} and {tuple(y.shape)}; "
        "embed both with one encoder.",
    )
    rows = min(x.size(0), y.size(0))
    expect(rows >= 2, f"expected at least two rows in each set, found {rows}; pass more spots or cells.")
