"""A piece of a contour taken out of its picture: shape, colours, length, axis, centroid, all from its own nodes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Fragment(NamedTuple):
    """Positions (N, 2) relative to the centroid, colours (N, c), nodes they came from; ``axis`` is a unit vector with a sign."""

    pos: Float[Tensor, "N 2"]
    colors: Float[Tensor, "N c"]
    nodes: Int[Tensor, " N"]
    centroid: Float[Tensor, " 2"]
    axis: Float[Tensor, " 2"]
    length: float


def fragment_of(
    nodes: Int[Tensor, " N"], pos: Float[Tensor, "n 2"], signal: Float[Tensor, "n c"], spacing: float
) -> Fragment:
    """Take nodes out of their graph.

    Args:
        nodes: The fragment's nodes, shape (N,).
        pos: Places of all nodes, shape (n, 2).
        signal: Signal of all nodes, shape (n, c).
        spacing: Of neighbours: what one node alone is long.

    Returns:
        The fragment.
    """
    own = pos[nodes]
    centroid = own.mean(dim=0)
    axis = principal_axis(own)
    return Fragment(own - centroid, signal[nodes], nodes, centroid, axis, length_along(own, axis, spacing))


def length_along(pos: Float[Tensor, "N 2"], axis: Float[Tensor, " 2"], spacing: float) -> float:
    r"""Length along an axis: that of a plain stroke with the same spread.

    .. math:: \ell = \sqrt{12 \operatorname{var}(x \cdot a) + h^2}

    which is N h for N nodes in a row. Unlike the distance of the outermost nodes it hardly depends on how a turned shape
    falls onto pixels.

    Args:
        pos: Places, shape (N, 2).
        axis: Unit vector a.
        spacing: h, of neighbours.
    """
    return float((12 * (pos @ axis).var(correction=0) + spacing**2).sqrt())


def principal_axis(pos: Float[Tensor, "N 2"]) -> Float[Tensor, " 2"]:
    r"""The direction of largest spread, with a sign, turned with the points and indifferent to their order.

    The sign makes the third moment along the axis positive; where that vanishes, the third moment across it. A shape
    without a longest direction (a square, a circle) takes the direction of its third moment, or else the first axis.

    Args:
        pos: Places, shape (N, 2).

    Returns:
        Unit vector (2,).
    """
    centred = (pos - pos.mean(dim=0)).double()
    scale = centred.square().sum(dim=1).mean().sqrt().clamp(min=torch.finfo(torch.float64).tiny)
    centred = centred / scale
    covariance = centred.T @ centred / len(centred)
    third = (centred.square().sum(dim=1, keepdim=True) * centred).mean(dim=0)
    round_ = torch.hypot(covariance[0, 0] - covariance[1, 1], 2 * covariance[0, 1]) < 1e-6
    if round_:
        return third / third.norm() if third.norm() > 1e-6 else torch.tensor([1.0, 0.0], dtype=torch.float64)
    angle = torch.atan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1]) / 2
    axis = torch.stack([angle.cos(), angle.sin()])
    across = torch.stack([-axis[1], axis[0]])
    for direction in (axis, across):
        skew = (centred @ direction).pow(3).mean()
        if skew.abs() > 1e-6:
            return axis * skew.sign()
    return axis


def local_axis(pos: Float[Tensor, "N 2"], at: Float[Tensor, " 2"], radius: float) -> Float[Tensor, " 2"]:
    """The direction of a curve near a place: the axis of its nodes around the one that is nearest.

    Args:
        pos: Nodes of the curve, shape (N, 2).
        at: The place.
        radius: Of the neighbourhood.

    Returns:
        Unit vector (2,), on the side of the whole curve's axis.
    """
    whole = principal_axis(pos)
    nearest = pos[int((pos - at).norm(dim=1).argmin())]
    axis = principal_axis(pos[(pos - nearest).norm(dim=1) <= radius])
    return -axis if axis @ whole < 0 else axis
