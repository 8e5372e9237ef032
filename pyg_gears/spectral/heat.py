"""Diffusion on a graph without its heat kernel as a matrix."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite

TOLERANCE = 1e-10
"""What the series leaves out, as a share of the signal."""


def heat(laplacian: csr_array, signal: Float[Tensor, "n c"], time: float) -> Float[Tensor, "n c"]:
    r"""The signal after diffusing for a time, as a Chebyshev series of sparse products.

    .. math:: e^{-tL} s = e^{-t} \Bigl[ I_0(t) + 2 \textstyle\sum_m (-1)^m I_m(t)\, T_m(L - I) \Bigr] s

    with the modified Bessel functions I. About :math:`6 \sqrt t + 20` products for t up to some hundreds; no (n, n) matrix.

    Args:
        laplacian: Normalised, eigenvalues in [0, 2], shape (n, n): :func:`affinity_laplacian`.
        signal: Shape (n, c).
        time: t >= 0; :math:`\sqrt t` is about the width in edges.

    Returns:
        Diffused signal (n, c), float64, on the CPU, without a gradient.

    Raises:
        InputError: for a negative or infinite time, or NaN or infinity in Laplacian or signal.

    Source: Hammond, Vandergheynst, Gribonval, Wavelets on graphs via spectral graph theory, 2011, for the series.
    """
    from scipy.special import ive

    expect(0 <= time < np.inf, f"expected a time of at least 0, found {time:g}; give a number of steps.")
    check_finite(laplacian=laplacian.data, signal=signal)
    # ive is already times e^-t; the coefficients fall monotonically.
    weight = ive(np.arange(int(8 * time**0.5 + time / 2 + 40)), time)
    weight = weight[: 1 + int(np.flatnonzero(weight > TOLERANCE / 10)[-1])]
    values = signal.detach().double().cpu().numpy()
    before, now = values, laplacian @ values - values
    total = weight[0] * before
    for number, coefficient in enumerate(weight[1:], start=1):
        total = total + (-1) ** number * 2 * coefficient * now
        before, now = now, 2 * (laplacian @ now - now) - before
    return torch.from_numpy(total)
