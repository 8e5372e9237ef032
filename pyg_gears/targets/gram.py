r"""The Gram matrix of a layout, as its canonical factor: all inner products, without a pose.

.. math:: G = Y Y^T, \quad Y = (P - \bar P) / u, \quad V = U \Lambda^{1/2}, \quad V V^T = G

Source: the published generator's target. There G is n x n with 1e-6 added to its diagonal, and V has 32 columns, of which those
beyond the plane hold 1e-3 of noise. We take the axes of the coordinates, which give the same factor, exactly, and no noise.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import checked_coordinates


def gram_factor(pos: Float[Tensor, "n d"], unit: float | None = None) -> Float[Tensor, "n d"]:
    """The factor V of the Gram matrix of one graph: centred, along its own axes, the longest first.

    Turning, mirroring or shifting ``pos`` changes nothing but, where two axes are equally long, the axes. An axis' sign is such
    that its skewness is positive.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        unit: Length u that counts as one, for instance the RMS radius of the whole slide; the graph's own RMS radius if omitted.

    Returns:
        The factor, shape (n, d), in the float dtype of ``pos`` (float32 for half precision).

    Raises:
        InputError: when ``pos`` is no matrix of finite floats, or ``unit`` is not positive.

    >>> gram_factor(torch.tensor([[0.0, 0.0], [0.0, 4.0]]), unit=2.0).abs()
    tensor([[1., 0.],
            [1., 0.]])
    """
    pos = checked_coordinates(pos, finite=True)
    expect(unit is None or unit > 0, f"expected a positive unit of length, found {unit}; pass the slide's RMS radius.")
    centred = pos.double() - pos.double().mean(dim=0)
    if unit is None:
        unit = max(float(centred.square().sum(dim=1).mean().sqrt()), 1e-6) if len(pos) else 1.0
    centred = centred / unit
    axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)
    factor = centred @ axes
    sign = torch.where(factor.pow(3).sum(dim=0) < 0, -1.0, 1.0)
    return (factor * sign).to(pos.dtype)
