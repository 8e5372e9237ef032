"""The unit of every patch: log-scale synchronisation from the distances that patches measured in common."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.linalg import cg, spsolve

from pyg_gears.layout.memory import BLOCK
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
ACCURACY = 1e-11
"""Residual of the scale equations, as a share of their right-hand side."""
STEPS = 1000
"""Steps of conjugate gradients after which the equations are factorised, or as many as there are patches."""


def synchronize_scales(
    votes: VotesOutput, is_global: Bool[np.ndarray, " p"], block: int = BLOCK
) -> Float[np.ndarray, " p"]:
    r"""Log-scale of every patch, so that ``log_distance + scale`` of all patches is in one unit.

    Within the local patches, and within the global ones, a robust least squares over pairs e and patches p,

    .. math:: \min_{s, t} \sum_{e, p} u_{ep} \omega_e (\log d_{ep} + s_p - t_e)^2,

    with the pair's own value t eliminated, weights u of the absolute loss (refreshed 8 times) and less weight
    :math:`\omega_e = d_e^2 / (d_e^2 + 0.3^2)` for close pairs. Scales of global patches are drawn to a common value:
    uniform draws of the same cells have nearly the same extent. :func:`group_factor` joins the two groups.

    Args:
        votes: The votes.
        is_global: Kind of each patch, shape (patches,).
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        Log-scales, shape (patches,), with mean 0 in each group.
    """
    scale = np.zeros(len(is_global))
    for kind in (True, False):
        chosen = is_global == kind
        if chosen.sum() < 2:
            continue
        ridge = (VOTE_NOISE / GLOBAL_PRIOR) ** 2 if kind else 1e-6
        found = _synchronize(votes.among(chosen, least=2), np.cumsum(chosen) - 1, int(chosen.sum()), ridge, block)
        scale[chosen] = found - found.mean()
    return scale


def _synchronize(
    votes: VotesOutput, number: Int[np.ndarray, " p"], patches: int, ridge: float, block: int
) -> Float[np.ndarray, " s"]:
    """Iteratively reweighted least squares for the scales of one group, from votes on shared pairs.

    The equations are sums over pairs: block by block of these. What is kept of a vote is its weight.
    """
    scale = np.zeros(patches)
    if not len(votes.patch):
        return scale
    weight = np.empty(len(votes.patch))
    for turn in range(ROUNDS):
        strength, pull = np.zeros(patches), np.zeros(patches)
        linked = _RunningSum()
        for own, place in votes.blocks(block):
            pair, patch, count = own.pair, number[own.patch], np.diff(own.ptr)
            value = own.log_distance.astype(np.float64)
            # The weight is that of the pair, not of the vote: a vote that is too long must not count for more.
            typical = np.exp(2 * np.bincount(pair, value) / count)
            mine = near = (typical / (typical + NEAR**2))[pair]
            if turn:
                last = weight[place]
                residual = value + scale[patch]
                residual -= (np.bincount(pair, last * residual) / np.bincount(pair, last))[pair]
                mine = near / np.maximum(np.abs(residual), 0.05)
            weight[place] = mine
            total = np.bincount(pair, mine)
            share = csr_array((mine / np.sqrt(total)[pair], patch, own.ptr), shape=(len(count), patches))
            linked.add(csr_array(share.T @ share))
            mean = np.bincount(pair, mine * value) / total
            strength += np.bincount(patch, mine, patches)
            pull += np.bincount(patch, mine * (value - mean[pair]), patches)
        system = csr_array(diags_array(strength + ridge) - linked.total())
        scale = _solve(system, -pull, scale)
    return scale


def _solve(
    system: csr_array, right: Float[np.ndarray, " s"], start: Float[np.ndarray, " s"]
) -> Float[np.ndarray, " s"]:
    """Conjugate gradients, because patches overlap in more than two dimensions and a factorisation would fill up.

    Where they have not ended after many steps, as on a long chain of patches, a factorisation stays sparse.
    """
    steps = max(STEPS, len(right))
    found, unsolved = cg(system, right, start, rtol=ACCURACY, maxiter=steps, M=diags_array(1 / system.diagonal()))
    return spsolve(csc_array(system), right, permc_spec="MMD_AT_PLUS_A") if unsolved else found


class _RunningSum:
    """The sum of many sparse matrices, pairs of sums of like many first: adding each to one sum would copy that every time."""

    def __init__(self) -> None:
        self.sums: list[tuple[int, csr_array]] = []

    def add(self, matrix: csr_array) -> None:
        many = 1
        while self.sums and self.sums[-1][0] == many:
            matrix, many = csr_array(matrix + self.sums.pop()[1]), 2 * many
        self.sums.append((many, matrix))

    def total(self) -> csr_array:
        """The sum of all; at least one was added."""
        found = self.sums[-1][1]
        for _, earlier in self.sums[-2::-1]:
            found = csr_array(found + earlier)
        return found


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
