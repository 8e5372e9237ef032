"""The unit of every patch: log-scale synchronisation from the distances that patches measured in common."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import spsolve

from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.layout.votes import VotesOutput, equal_weights

GLOBAL_PRIOR = 0.05
"""Standard deviation of the log-scale of a global patch: a uniform draw of a few hundred cells has the extent of the
tissue."""
VOTE_NOISE = 0.4
"""Typical scatter of the log of one distance: the prior counts as much as (VOTE_NOISE / GLOBAL_PRIOR)^2 votes."""
NEAR = 0.3
"""Distances well below this share of a patch's radius hardly determine its scale: noise inflates them."""
ROUNDS = 8
"""Refreshments of the weights of the absolute loss."""


def synchronize_scales(votes: VotesOutput, is_global: Bool[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
    r"""Log-scale of every patch, so that ``log_distance + scale`` of all patches is in one unit.

    Within the local patches, and within the global ones, a robust least squares over pairs e and patches p,

    .. math:: \min_{s, t} \sum_{e, p} u_{ep} \omega_e (\log d_{ep} + s_p - t_e)^2,

    with the pair's own value t eliminated, weights u of the absolute loss (refreshed 8 times) and less weight
    :math:`\omega_e = d_e^2 / (d_e^2 + 0.3^2)` for close pairs. Scales of global patches are drawn to a common value:
    uniform draws of the same cells have nearly the same extent. :func:`group_factor` joins the two groups.

    Args:
        votes: The votes.
        is_global: Kind of each patch, shape (patches,).

    Returns:
        Log-scales, shape (patches,), with mean 0 in each group.
    """
    value = votes.log_distance.astype(np.float64)
    scale = np.zeros(len(is_global))
    of_global = is_global[votes.patch]
    for kind in (True, False):
        chosen = is_global == kind
        if chosen.sum() < 2:
            continue
        mine = of_global == kind
        number = np.cumsum(chosen) - 1
        ridge = (VOTE_NOISE / GLOBAL_PRIOR) ** 2 if kind else 1e-6
        found = _synchronize(value[mine], votes.pair[mine], number[votes.patch[mine]], int(chosen.sum()), ridge)
        scale[chosen] = found - found.mean()
    return scale


def _synchronize(
    value: Float[np.ndarray, " t"], pair: np.ndarray, patch: np.ndarray, patches: int, ridge: float
) -> Float[np.ndarray, " p"]:
    """Iteratively reweighted least squares for the scales of one group."""
    _, pair = np.unique(pair, return_inverse=True)
    shared = np.bincount(pair)[pair] > 1
    value, pair, patch = value[shared], pair[shared], patch[shared]
    scale = np.zeros(patches)
    if not len(value):
        return scale
    _, pair = np.unique(pair, return_inverse=True)
    count = np.bincount(pair)
    # The weight is that of the pair, not of the vote: a vote that is too long must not count for more.
    typical = np.exp(2 * np.bincount(pair, value) / count)
    near = (typical / (typical + NEAR**2))[pair]
    weight = near
    for _ in range(ROUNDS):
        total = np.bincount(pair, weight)
        incidence = csr_array((weight, (pair, patch)), shape=(len(count), patches))
        normal = (
            diags_array(np.bincount(patch, weight, patches) + ridge) - incidence.T @ diags_array(1 / total) @ incidence
        )
        mean = np.bincount(pair, weight * value) / total
        scale = spsolve(normal.tocsc(), -np.bincount(patch, weight * (value - mean[pair]), patches))
        residual = value + scale[patch]
        residual -= (np.bincount(pair, weight * residual) / total)[pair]
        weight = near / np.maximum(np.abs(residual), 0.05)
    return np.asarray(scale)


def group_factor(
    patches: PatchesOutput,
    pos: Float[np.ndarray, "v total 2"],
    scale: Float[np.ndarray, " p"],
    coarse: Float[np.ndarray, "n 2"],
    weights: Float[np.ndarray, " v"] | None = None,
) -> float:
    r"""Log of the factor that brings the local patches to the unit of the global ones.

    A ratio of the two groups' distances would be biased without bound at 20,000 cells: the error of a global patch is large
    against a local distance and inflates it, and a pair is proposed because it looks close. Instead every local patch is
    aligned with a coarse layout solved from the global distances alone; the scale of that similarity,

    .. math:: c_p = \|X_p^T Y_p\|_* / \|Y_p\|_F^2,

    is a regression of the layout X on the patch Y, in which the layout's errors average out. The factor is the median over
    patches of :math:`\log c_p - s_p`.

    Args:
        patches: The patches.
        pos: Their coordinates, shape (voters, total, 2).
        scale: Log-scales, the local ones right up to a common factor.
        coarse: Layout of all cells from global patches, shape (n, 2), in their unit.
        weights: Weights of the voters, shape (voters,), with sum 1; equal ones if omitted.

    Returns:
        The summand for the local log-scales (0 where a layout has no extent).
    """
    weights = equal_weights(len(pos)) if weights is None else weights
    found = []
    for patch in np.flatnonzero(~patches.is_global).tolist():
        own = pos[:, patches.ptr[patch] : patches.ptr[patch + 1]].astype(np.float64)
        onto = coarse[patches[patch]]
        own, onto = own - own.mean(axis=1, keepdims=True), onto - onto.mean(axis=0)
        strength = np.linalg.svd(own.transpose(0, 2, 1) @ onto, compute_uv=False).sum(axis=1)
        size = (own**2).sum(axis=(1, 2))
        if (strength > 0).all() and (size > 0).all():
            found.append(float(weights @ np.log(strength / size) - scale[patch]))
    return float(np.median(found)) if found else 0.0
