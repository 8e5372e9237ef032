"""Similarity Procrustes: the best shift, turn and scale of one layout onto another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.geometry.checked_coordinates import checked_coordinates


class ProcrustesOutput(NamedTuple):
    """``aligned = scale * source @ rotation + shift``; ``disparity`` in [0, 1] is what remains of the target's variance."""

    aligned: Float[Tensor, "n d"]
    rotation: Float[Tensor, "d d"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, " d"]
    disparity: Float[Tensor, ""]


def similarity_procrustes(
    source: Float[Tensor, "n d"], target: Float[Tensor, "n d"], *, allow_reflection: bool
) -> ProcrustesOutput:
    r"""Least-squares similarity of ``source`` onto ``target``, matched row by row.

    .. math:: \min_{a, R, t} \sum_i \|a\, x_i R + t - y_i\|^2, \quad R \in O(d) \text{ or } SO(d)

    Args:
        source: Layout to move, shape (n, d).
        target: Layout to move it onto, shape (n, d).
        allow_reflection: Whether R may mirror.

    Returns:
        The aligned source, the map and the disparity: residual sum of squares over the target's centred sum of squares. Half
        precision becomes float32.

    Raises:
        InputError: when the layouts are no matrices of finite floats (looked at on the CPU only), or of two shapes.

    ``scipy.linalg.orthogonal_procrustes`` finds the same rotation in O(d); it has no SO(d), no device and no gradient.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    source, target = (
        checked_coordinates(pos, name, finite=True) for name, pos in (("source", source), ("target", target))
    )
    if source.shape != target.shape:
        raise InputError(
            f"expected source and target of one shape, found {tuple(source.shape)} and {tuple(target.shape)}; "
            "match them row by row."
        )
    centre_source, centre_target = source.mean(dim=0), target.mean(dim=0)
    x, y = source - centre_source, target - centre_target
    u, singular, vt = torch.linalg.svd(x.T @ y)
    if not allow_reflection and torch.linalg.det(u @ vt) < 0:
        u, singular = u.clone(), singular.clone()
        u[:, -1] *= -1
        singular[-1] *= -1
    rotation = u @ vt
    tiny = torch.finfo(x.dtype).tiny
    scale = singular.sum() / x.square().sum().clamp(min=tiny)
    shift = centre_target - scale * centre_source @ rotation
    aligned = scale * source @ rotation + shift
    disparity = (aligned - target).square().sum() / y.square().sum().clamp(min=tiny)
    return ProcrustesOutput(aligned, rotation, scale, shift, disparity)
