from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.errors import InputError
from pyg_gears.graphs import knn
from pyg_gears.spectral import affinity_laplacian, fixed_basis, grid_edges, grid_positions, heat, lowest_eigenvectors


def smooth_signal(height: int, width: int) -> torch.Tensor:
    pos = grid_positions(height, width)
    return torch.stack([torch.sin(pos[:, 0] / 7) + 0.3 * pos[:, 1] / height, torch.cos(pos[:, 1] / 5)], dim=1)


def test_equals_the_dense_oracle_on_a_grid_and_on_neighbours() -> None:
    cloud = torch.randn(900, 2, generator=torch.Generator().manual_seed(0))
    index = knn(cloud, 6, metric="euclidean").index
    near = torch.stack([index.flatten(), torch.arange(900).repeat_interleave(6)])
    for signal, edges in ((smooth_signal(31, 29), grid_edges(31, 29, 8)), (cloud, near)):
        laplacian = affinity_laplacian(signal, edges, bandwidth=1.0)
        found = lowest_eigenvectors(laplacian, 12)
        value, vector = np.linalg.eigh(laplacian.toarray())
        assert np.allclose(found.values, value[:12], atol=1e-10)
        overlap = np.abs((vector[:, :12] * found.vectors.numpy()).sum(axis=0))
        assert np.allclose(overlap, 1, atol=1e-8)
        assert found.gap == pytest.approx(value[12] - value[11], abs=1e-10)


def test_multiple_eigenvalues_are_all_found() -> None:
    """A square of one colour: all modes but the diagonal ones come in pairs."""
    laplacian = affinity_laplacian(torch.ones(900, 1), grid_edges(30, 30))
    found = lowest_eigenvectors(laplacian, 8)
    value, vector = np.linalg.eigh(laplacian.toarray())
    assert np.allclose(found.values, value[:8], atol=1e-10)
    projector = found.vectors.numpy() @ found.vectors.numpy().T
    assert np.allclose(projector, vector[:, :8] @ vector[:, :8].T, atol=1e-7)
    cut = lowest_eigenvectors(laplacian, 2)
    assert cut.gap < 1e-12 < found.gap


def test_pieces_have_one_zero_each() -> None:
    signal = smooth_signal(30, 30)
    nodes = (torch.arange(900) // 30) % 10 != 9
    found = lowest_eigenvectors(affinity_laplacian(signal, grid_edges(30, 30), nodes=nodes), 5)
    assert (found.values[:3] < 1e-12).all()
    assert found.values[3] > 1e-5
    assert found.vectors[~nodes].abs().max() < 1e-10


def test_of_many_zeros_none_is_missed() -> None:
    """Twenty rows of 43 nodes: Lanczos iteration on the whole graph finds some of the zeros only."""
    edges = grid_edges(20, 43)
    edges = edges[:, edges[0] // 43 == edges[1] // 43]
    single = affinity_laplacian(torch.ones(860, 1), edges)
    found = lowest_eigenvectors(single, 24)
    value = np.linalg.eigvalsh(single.toarray())
    assert (value[:20] < 1e-12).all()
    assert np.allclose(found.values, value[:24], atol=1e-10)
    residual = single @ found.vectors.numpy() - found.vectors.numpy() * found.values.numpy()
    assert np.abs(residual).max() < 1e-10
    assert np.allclose(found.vectors.T @ found.vectors, np.eye(24), atol=1e-10)
    assert lowest_eigenvectors(single, 12).gap < 1e-12


def test_the_rule_forgets_signs_and_rotations() -> None:
    laplacian = affinity_laplacian(torch.ones(143, 1), grid_edges(11, 13))
    square = affinity_laplacian(torch.ones(144, 1), grid_edges(12, 12))
    rng = np.random.default_rng(0)
    for matrix in (laplacian, square):
        value, vector = np.linalg.eigh(matrix.toarray())
        value, vector = torch.from_numpy(value[:8].copy()), torch.from_numpy(vector[:, :8].copy())
        expected = fixed_basis(value, vector)
        turned = vector * torch.from_numpy(rng.choice([-1.0, 1.0], 8))
        for i in range(7):
            if value[i + 1] - value[i] < 1e-9:
                turn = torch.from_numpy(np.linalg.qr(rng.normal(size=(2, 2)))[0])
                turned[:, i : i + 2] = turned[:, i : i + 2] @ turn
        assert torch.allclose(fixed_basis(value, turned), expected, atol=1e-8)
        assert torch.allclose(expected.T @ expected, torch.eye(8).double(), atol=1e-10)
        residual = torch.from_numpy(matrix.toarray()) @ expected - expected * value
        assert residual.abs().max() < 1e-10


def test_a_permutation_of_the_nodes_permutes_the_basis() -> None:
    signal, edges = smooth_signal(30, 28), grid_edges(30, 28)
    order = torch.randperm(840, generator=torch.Generator().manual_seed(1))
    back = torch.argsort(order)
    plain = lowest_eigenvectors(affinity_laplacian(signal, edges, bandwidth=1.0), 10)
    mixed = lowest_eigenvectors(affinity_laplacian(signal[order], back[edges], bandwidth=1.0), 10)
    assert torch.allclose(mixed.vectors, plain.vectors[order], atol=1e-7)


def test_the_same_graph_gives_the_same_bits() -> None:
    laplacian = affinity_laplacian(smooth_signal(40, 40), grid_edges(40, 40))
    assert torch.equal(lowest_eigenvectors(laplacian, 12).vectors, lowest_eigenvectors(laplacian, 12).vectors)


def test_nothing_of_n_by_n_is_ever_allocated() -> None:
    height, width = 120, 125
    n = height * width
    tracemalloc.start()
    laplacian = affinity_laplacian(smooth_signal(height, width), grid_edges(height, width))
    basis = lowest_eigenvectors(laplacian, 12)
    heat(laplacian, basis.vectors, 16.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The Lanczos vectors are the largest single array; n x n values would be 1800 MB.
    assert peak < 8 * n * 200 < 8 * n * n / 50


def test_a_number_of_vectors_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="expected 1 to 2 eigenvectors of 3 nodes, found k=3"):
        lowest_eigenvectors(csr_array(np.eye(3)), 3)
