from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import cg

from pyg_gears.layout import PatchesOutput, VotesOutput, collect_votes, group_factor, scales, synchronize_scales
from pyg_gears.layout.scales import GLOBAL_PRIOR, VOTE_NOISE


def chain_of_patches(seed=0, n=600, size=120, noise=0.05):
    """Windows along a strip, each in a gauge of its own."""
    rng = np.random.default_rng(seed)
    pos = np.stack([np.sort(rng.random(n)) * 6, rng.random(n)], 1)
    cells = [np.arange(first, first + size) for first in range(0, n - size + 1, size // 2)]
    scale = rng.normal(size=len(cells))
    parts = [
        np.exp(-s) * (pos[own] + noise * rng.standard_normal((size, 2))) for s, own in zip(scale, cells, strict=True)
    ]
    ptr = np.arange(len(cells) + 1) * size
    patches = PatchesOutput(np.concatenate(cells), ptr, np.zeros(len(cells), dtype=bool), n)
    return pos, patches, np.concatenate(parts)[None].astype(np.float32), scale


def test_scales_are_recovered():
    _, patches, pos, scale = chain_of_patches()
    found = synchronize_scales(collect_votes(patches, pos), patches.is_global)
    assert np.abs(found - (scale - scale.mean())).max() < 0.05


def test_exact_distances_give_exact_scales():
    _, patches, pos, scale = chain_of_patches(noise=0.0)
    found = synchronize_scales(collect_votes(patches, pos), patches.is_global)
    assert np.abs(found - (scale - scale.mean())).max() < 1e-4


def test_one_bad_patch_does_not_spoil_the_others():
    _, patches, pos, scale = chain_of_patches()
    bad = 4
    pos[:, patches.ptr[bad] : patches.ptr[bad + 1]] = np.random.default_rng(9).standard_normal((1, 120, 2))
    found = synchronize_scales(collect_votes(patches, pos), patches.is_global)
    error = np.delete(found - scale, bad)
    # It is one link of a chain, so that the two sides can shift against each other; within a side all is well.
    assert np.ptp(error[:bad]) < 0.1
    assert np.ptp(error[bad:]) < 0.1


def test_two_global_patches_meet_at_their_common_value():
    # Ten pairs, voted on by two global patches that differ by a factor e: the prior shrinks the difference.
    pairs = np.stack([np.arange(10), np.arange(1, 11)])
    value = np.tile([0.0, 1.0], 10).astype(np.float32)
    votes = VotesOutput(pairs, np.arange(0, 21, 2), np.tile([0, 1], 10), value)
    free = synchronize_scales(votes, np.array([False, False]))
    assert np.allclose(free, [0.5, -0.5], atol=1e-3)
    held = synchronize_scales(votes, np.array([True, True]))
    # Minimise 10 u w (1 + s_1 - s_0)^2 / 2 + ridge (s_0^2 + s_1^2), with u = 1 / |residual|.
    near = np.exp(1.0) / (np.exp(1.0) + 0.3**2)
    ridge = (VOTE_NOISE / GLOBAL_PRIOR) ** 2
    gap, u = 0.0, 1.0
    for _ in range(8):
        strength = 10 * u * near / 2
        gap = strength / (strength + ridge / 2)
        u = 1 / max(abs(1 - gap) / 2, 0.05)
    assert np.allclose(held[0] - held[1], gap, atol=1e-3)


def test_the_group_factor_ignores_the_error_of_the_layout():
    pos, patches, own, scale = chain_of_patches(noise=0.0)
    rng = np.random.default_rng(1)
    coarse = 3.0 * (pos + 0.3 * rng.standard_normal(pos.shape))  # errors as large as a patch is thick
    assert abs(group_factor(patches, own, scale, coarse) - np.log(3.0)) < 0.05
    assert group_factor(patches, 0 * own, scale, coarse) == 0.0


def test_patches_without_common_cells_keep_their_gauge():
    patches = PatchesOutput(np.arange(20), np.array([0, 10, 20]), np.array([False, False]), 20)
    votes = collect_votes(patches, np.random.default_rng(0).random((1, 20, 2)).astype(np.float32), 3, 2)
    assert synchronize_scales(votes, patches.is_global).tolist() == [0.0, 0.0]


def slow_scales(votes, patches, ridge):
    """The weighted least squares of all votes with a value for every pair, by dense matrices."""
    pair, patch, value = votes.pair, votes.patch, votes.log_distance.astype(np.float64)
    pairs = pair.max() + 1
    member = np.eye(pairs)[pair]
    typical = np.exp(2 * (member.T @ value) / member.sum(0))
    near = (typical / (typical + 0.3**2))[pair]
    design = np.hstack([np.eye(patches)[patch], -member])
    weight, scale = near, np.zeros(patches)
    for turn in range(8):
        if turn:
            residual = value + scale[patch]
            residual = residual - ((member.T @ (weight * residual)) / (member.T @ weight))[pair]
            weight = near / np.maximum(np.abs(residual), 0.05)
        normal = design.T @ (weight[:, None] * design)
        normal[:patches, :patches] += ridge * np.eye(patches)
        scale = np.linalg.solve(normal, -design.T @ (weight * value))[:patches]
    return scale - scale.mean()


def test_the_equations_are_those_of_all_votes_however_they_are_cut():
    _, patches, pos, _ = chain_of_patches(n=150, size=30)
    votes = collect_votes(patches, pos, 4, 2)
    shared = votes.among(np.ones(len(patches), dtype=bool), least=2)
    for wide, ridge in ((False, 1e-6), (True, (VOTE_NOISE / GLOBAL_PRIOR) ** 2)):
        slow = slow_scales(shared, len(patches), ridge)
        for block in (2**18, 200, 7):  # one block, and many that do not make a power of two
            found = synchronize_scales(votes, np.full(len(patches), wide), block)
            assert np.abs(found - slow).max() < 1e-7


def test_a_chain_too_long_for_conjugate_gradients_is_factorised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hundred patches in a row, each with one distance in common with the next."""
    count, rng, ends = 300, np.random.default_rng(0), []
    links = np.arange(count - 1)
    value = rng.uniform(-3, 1, links.size)[:, None] + rng.normal(size=(links.size, 2))
    patch = np.stack([links, links + 1], axis=1).ravel()
    votes = VotesOutput(np.stack([links, links + 1]), 2 * np.arange(count), patch, value.ravel().astype(np.float32))

    def few_steps(system, right, start, **options):
        found, unsolved = cg(system, right, start, **{**options, "maxiter": 150})
        ends.append(unsolved)
        return found, unsolved

    monkeypatch.setattr(scales, "cg", few_steps)
    found = synchronize_scales(votes, np.zeros(count, dtype=bool))
    assert ends[0] > 0
    assert np.abs(found - slow_scales(votes, count, 1e-6)).max() < 1e-6
