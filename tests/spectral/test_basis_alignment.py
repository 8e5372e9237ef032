from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.spectral import (
    affinity_laplacian,
    align_bases,
    boundary_mask,
    grid_edges,
    grid_positions,
    lowest_eigenvectors,
    node_functions,
    spectral_moments,
)

SIDE, K = 24, 12


def blobs(seed: int = 0) -> torch.Tensor:
    """A picture without symmetry: one channel of smooth blobs, one with a bar."""
    pos = grid_positions(SIDE, SIDE) / SIDE
    rng = np.random.default_rng(seed)
    smooth = sum(torch.exp(-30 * (pos - torch.from_numpy(rng.random(2))).square().sum(dim=1)) for _ in range(4))
    bar = ((pos[:, 0] - 0.3).abs() < 0.1) & (pos[:, 1] > 0.4)
    return torch.stack([smooth, bar.double()], dim=1)


def described(signal: torch.Tensor, edges: torch.Tensor, pos: torch.Tensor):
    laplacian = affinity_laplacian(signal, edges, bandwidth=0.5)
    basis = lowest_eigenvectors(laplacian, K).vectors
    functions = node_functions(signal, boundary_mask(signal, edges), laplacian, pos)
    return basis, functions


def test_cross_terms_mean_something_only_after_alignment() -> None:
    """The graph against a copy with other node order, signs and a rotated basis: truth is phi phi^T of the one graph."""
    signal, edges, pos = blobs(), grid_edges(SIDE, SIDE), grid_positions(SIDE, SIDE)
    phi, functions = described(signal, edges, pos)
    n = len(signal)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).normal(size=(K, K)))[0])
    other = phi[order] @ turn
    truth = phi @ phi[order].T

    def agreement(cross: torch.Tensor) -> float:
        return float((cross * truth).sum() / cross.norm() / truth.norm())

    assert abs(agreement(phi @ other.T)) < 0.4
    ours = torch.stack(list(functions.values()), dim=1)
    by_moments = align_bases(spectral_moments(other, ours[order]), spectral_moments(phi, ours), tolerance=1e-9)
    assert by_moments.rank == K
    assert by_moments.disparity < 1e-9
    assert agreement(phi @ (other @ by_moments.rotation).T) > 1 - 1e-6
    # Thirty known pairs do as well.
    pairs = torch.arange(30)
    by_pairs = align_bases(n**0.5 * other[pairs], n**0.5 * phi[order[pairs]], tolerance=1e-9)
    assert agreement(phi @ (other @ by_pairs.rotation).T) > 1 - 1e-6


def test_the_cross_product_is_the_same_for_any_signs_and_rotation() -> None:
    edges, pos = grid_edges(SIDE, SIDE), grid_positions(SIDE, SIDE)
    (phi_t, f_t), (phi_s, f_s) = (described(blobs(seed), edges, pos) for seed in (0, 1))
    f_t, f_s = torch.stack(list(f_t.values()), dim=1), torch.stack(list(f_s.values()), dim=1)

    def cross(phi: torch.Tensor) -> torch.Tensor:
        fit = align_bases(spectral_moments(phi, f_s), spectral_moments(phi_t, f_t))
        return phi_t @ (phi @ fit.rotation).T

    rng = np.random.default_rng(1)
    flipped = phi_s * torch.from_numpy(rng.choice([-1.0, 1.0], K))
    turned = phi_s @ torch.from_numpy(np.linalg.qr(rng.normal(size=(K, K)))[0])
    assert torch.allclose(cross(flipped), cross(phi_s), atol=1e-10)
    assert torch.allclose(cross(turned), cross(phi_s), atol=1e-10)


def test_what_is_not_determined_is_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(3, 6, generator=generator)
    found = align_bases(source, source)
    assert found.rank == 3
    assert torch.linalg.matrix_rank(found.rotation) == 3
    assert torch.allclose(source.double() @ found.rotation, source.double(), atol=1e-6)
    assert align_bases(torch.zeros(3, 6), source).rank == 0


def test_functions_do_not_depend_on_a_turn_of_the_picture() -> None:
    signal, edges, pos = blobs(), grid_edges(SIDE, SIDE), grid_positions(SIDE, SIDE)
    turned = torch.rot90(signal.reshape(SIDE, SIDE, 2)).reshape(-1, 2)
    places = torch.rot90(torch.arange(SIDE**2).reshape(SIDE, SIDE)).flatten()
    _, plain = described(signal, edges, pos)
    _, other = described(turned, edges, pos)
    assert set(plain) == set(other)
    for name, values in plain.items():
        assert torch.allclose(other[name], values[places], atol=1e-8), name
        assert float(values.square().mean()) == pytest.approx(1, abs=1e-6), name


def test_unlike_shapes_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"expected one row of k coefficients on either side, found \(3, 2\) and \(3, 4\)"
    ):
        align_bases(torch.ones(3, 2), torch.ones(3, 4))
