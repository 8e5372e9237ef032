"""The bases of two graphs made comparable: an orthogonal map from one's coefficients to the other's."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite


class BasisAlignment(NamedTuple):
    """``source @ rotation`` are coordinates in the target's basis.

    ``rank`` directions are determined by what was given; the others are mapped to zero rather than to a guess, so that
    ``rotation`` (k, k) is orthogonal only where ``rank`` is k. ``disparity`` in [0, 1] is what the multiple of the rotated
    source that fits best leaves of the target: residual sum of squares over the target's.
    """

    rotation: Float[Tensor, "k k"]
    rank: int
    disparity: float


def align_bases(
    source: Float[Tensor, "m k"], target: Float[Tensor, "m k"], *, tolerance: float = 1e-3
) -> BasisAlignment:
    r"""Orthogonal Procrustes of the sample's basis onto the target's, in O(m k^2 + k^3).

    .. math:: \min_R \|A R - B\|_F, \quad A^T B = U \Sigma V^T, \quad R = U_r V_r^T

    Eigenvectors have arbitrary signs, multiple ones arbitrary rotations, and those of another graph another order:
    :math:`\phi_t \phi_s^T` means nothing; :math:`\phi_t (\phi_s R)^T` does. What is aligned are the m rows of A and B, which
    stand for the same thing on either side:

    * *correspondences*: :math:`A = \sqrt{n_s} \phi_s` and :math:`B = \sqrt{n_t} \phi_t` at m pairs of nodes known to match;
    * *moments*: :math:`A = (\phi_s^T f_s)^T`, :math:`B = (\phi_t^T f_t)^T` of m functions that have the same meaning on both
      (:func:`spectral_moments` of :func:`node_functions`); no pair of nodes need be known.

    Whatever signs and rotations the bases have, :math:`\phi_t (\phi_s R)^T` is the same.

    Args:
        source: A, shape (m, k).
        target: B, shape (m, k).
        tolerance: Directions count as determined where their singular value is above this share of the largest.

    Returns:
        The map, its rank and its disparity.

    Raises:
        InputError: when the shapes differ, or for NaN or infinity.

    Source: Schoenemann, A generalized solution of the orthogonal Procrustes problem, 1966; moments as the linear
        constraints of functional maps (Ovsjanikov et al., 2012), here with an orthogonal map. Deviation: directions
        without support are left out.
    """
    expect(
        source.shape == target.shape,
        f"expected one row of k coefficients on either side, found {tuple(source.shape)} and {tuple(target.shape)}; "
        "compute both with the same functions and the same k.",
    )
    check_finite(source=source, target=target)
    a, b = source.double(), target.double()
    u, singular, vt = torch.linalg.svd(a.T @ b)
    rank = int((singular > tolerance * singular[0].clamp(min=torch.finfo(a.dtype).tiny)).sum())
    rotation = u[:, :rank] @ vt[:rank]
    scale = b.square().sum().clamp(min=torch.finfo(a.dtype).tiny)
    # Graphs of unlike size and degree differ by a factor.
    rotated = a @ rotation
    share = (rotated * b).sum() / rotated.square().sum().clamp(min=torch.finfo(a.dtype).tiny)
    return BasisAlignment(rotation, rank, float((share * rotated - b).square().sum() / scale))


def spectral_moments(vectors: Float[Tensor, "n k"], functions: Float[Tensor, "n m"]) -> Float[Tensor, "m k"]:
    r"""Coefficients of functions in a basis, free of the number of nodes.

    .. math:: M = (\phi^T f)^T / \sqrt n

    Args:
        vectors: Orthonormal basis, shape (n, k).
        functions: Functions of the nodes, shape (n, m).

    Returns:
        Moments, shape (m, k), float64.
    """
    return (vectors.double().T @ functions.double()).T / vectors.size(0) ** 0.5
