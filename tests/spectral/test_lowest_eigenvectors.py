from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.errors import InputError
from pyg_gears.graphs import knn
from pyg_gears.spectral import affinity_laplacian, fixed_basis, grid_edges, grid_positions, heat, lowest_eigenvectors
from pyg_gears.spectral.block_eigenvectors import block_eigenvectors


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


def spider(arms: int, length: int) -> torch.Tensor:
    """Arms of equal length from one node: a connected graph with eigenvalues of multiplicity arms - 1."""
    node = 1 + torch.arange(arms * length)
    inner = torch.where((node - 1) % length == 0, 0, node - 1)
    return torch.stack([inner, node])


@pytest.mark.parametrize(("arms", "length", "k"), [(9, 100, 12), (20, 60, 20), (40, 40, 41)])
def test_high_multiplicities_of_one_connected_graph_are_found_whole(arms: int, length: int, k: int) -> None:
    """From one start Lanczos iteration sees one vector of a space, and rounding adds some of the others."""
    matrix = affinity_laplacian(torch.ones(1 + arms * length, 1), spider(arms, length))
    found = lowest_eigenvectors(matrix, k)
    value, vector = np.linalg.eigh(matrix.toarray())
    assert np.allclose(found.values, value[:k], atol=1e-12)
    assert np.allclose(found.vectors.T @ found.vectors, np.eye(k), atol=1e-10)
    residual = matrix @ found.vectors.numpy() - found.vectors.numpy() * found.values.numpy()
    assert np.abs(residual).max() < 1e-9
    # The whole space of arms - 1 dimensions has the basis that the rule chooses, whatever basis a solver gives.
    space = slice(1, arms)
    assert (found.values[space] - found.values[1]).abs().max() < 1e-12
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(arms - 1, arms - 1)))[0]
    turned = vector[:, :k].copy()
    turned[:, space] = turned[:, space] @ turn
    fixed = fixed_basis(found.values, torch.from_numpy(turned))
    assert torch.allclose(fixed[:, space], found.vectors[:, space], atol=1e-7)


def test_products_alone_find_the_same_basis() -> None:
    """What a GPU does, here on the CPU; a multiple eigenvalue is found whole."""
    for matrix, count in (
        (affinity_laplacian(smooth_signal(31, 29), grid_edges(31, 29, 8), bandwidth=1.0), 12),
        (affinity_laplacian(torch.ones(361, 1), spider(9, 40)), 9),
    ):
        value, vector = block_eigenvectors(matrix, count, torch.device("cpu"))
        expected = np.linalg.eigh(matrix.toarray())
        assert np.allclose(value, expected[0][:count], atol=1e-10)
        projector = expected[1][:, :count] @ expected[1][:, :count].T
        assert np.allclose(vector @ vector.T, projector, atol=1e-6)


def test_products_start_alike_whatever_the_default_device() -> None:
    matrix = affinity_laplacian(smooth_signal(31, 29), grid_edges(31, 29, 8), bandwidth=1.0)
    expected = block_eigenvectors(matrix, 2, torch.device("cpu"))
    torch.set_default_device("meta")
    try:
        found = block_eigenvectors(matrix, 2, torch.device("cpu"))
    finally:
        torch.set_default_device(None)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_products_that_do_not_converge_are_refused() -> None:
    matrix = affinity_laplacian(smooth_signal(31, 29), grid_edges(31, 29, 8), bandwidth=1.0)
    with pytest.raises(
        InputError, match="expected eigenvectors to 1e-06 after 5 rounds of LOBPCG, found a residual of"
    ):
        block_eigenvectors(matrix, 12, torch.device("cpu"), rounds=5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_finds_the_same_basis() -> None:
    matrix = affinity_laplacian(smooth_signal(40, 40), grid_edges(40, 40, 8), bandwidth=1.0)
    found, expected = lowest_eigenvectors(matrix, 12, device="cuda"), lowest_eigenvectors(matrix, 12)
    assert torch.allclose(found.values, expected.values, atol=1e-10)
    assert torch.allclose(found.vectors, expected.vectors, atol=1e-6)


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
