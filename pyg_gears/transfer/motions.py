"""Place, rotate, translate: pure functions of (N, 2) tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def place(pos: Float[Tensor, "N 2"], centroid: Float[Tensor, " 2"]) -> Float[Tensor, "N 2"]:
    """Put a shape so that its centroid lies at a place.

    Args:
        pos: Shape, shape (N, 2).
        centroid: The place.

    Returns:
        Moved positions, shape (N, 2).
    """
    return pos - pos.mean(dim=0) + centroid


def rotate(pos: Float[Tensor, "N 2"], turn: Float[Tensor, " 2"]) -> Float[Tensor, "N 2"]:
    r"""Turn a shape about its centroid.

    .. math:: x' = \bar x + (x - \bar x) R^T, \quad R = \begin{pmatrix} c & -s \\ s & c \end{pmatrix}

    Args:
        pos: Shape, shape (N, 2).
        turn: (c, s), the cosine and sine of the angle: exact for quarter turns.

    Returns:
        Turned positions, shape (N, 2).
    """
    centroid = pos.mean(dim=0)
    return turn_vectors(pos - centroid, turn) + centroid


def translate(pos: Float[Tensor, "N 2"], shift: Float[Tensor, " 2"]) -> Float[Tensor, "N 2"]:
    """Shift a shape.

    Args:
        pos: Shape, shape (N, 2).
        shift: Vector (2,).

    Returns:
        Shifted positions, shape (N, 2).
    """
    return pos + shift


def turn_vectors(vectors: Float[Tensor, "N 2"], turn: Float[Tensor, " 2"]) -> Float[Tensor, "N 2"]:
    """Turn vectors about the origin by the angle of cosine and sine ``turn``."""
    c, s = turn[0], turn[1]
    x, y = vectors[:, 0], vectors[:, 1]
    return torch.stack([c * x - s * y, s * x + c * y], dim=1)


def turn_between(source: Float[Tensor, " 2"], target: Float[Tensor, " 2"]) -> Float[Tensor, " 2"]:
    """Cosine and sine of the angle from one unit vector to another."""
    return torch.stack([source @ target, source[0] * target[1] - source[1] * target[0]])


def inside_shift(pos: Float[Tensor, "N 2"], low: Float[Tensor, " 2"], high: Float[Tensor, " 2"]) -> Float[Tensor, " 2"]:
    """The least shift that brings a shape into a box; of one larger than the box, its middle to that of the box.

    Args:
        pos: Shape, shape (N, 2).
        low: Lower corner.
        high: Upper corner.

    Returns:
        Vector (2,).
    """
    first, last = pos.amin(dim=0), pos.amax(dim=0)
    shift = (low - first).clamp(min=0) + (high - last).clamp(max=0)
    return torch.where(last - first > high - low, (low + high - first - last) / 2, shift)
