from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.graphs import knn
from pyg_gears.spectral import affinity, affinity_laplacian, grid_edges


def dense_laplacian(signal, edge_index, bandwidth, floor=1e-3) -> np.ndarray:
    """Entry by entry, in float64."""
    n = len(signal)
    weight = np.zeros((n, n))
    for i, j in edge_index.T.tolist():
        if i != j:
            square = float(((signal[i].double() - signal[j].double()) ** 2).sum())
            weight[i, j] = weight[j, i] = max(np.exp(-square / (2 * bandwidth**2)), floor)
    degree = weight.sum(axis=1)
    laplacian = np.eye(n)
    for i, j in zip(*np.nonzero(weight), strict=True):
        laplacian[i, j] -= weight[i, j] / np.sqrt(degree[i] * degree[j])
    return laplacian


@pytest.mark.parametrize("graph", ["grid4", "grid8", "knn"])
def test_equals_the_dense_one(graph) -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(30, 3, generator=generator)
    if graph == "knn":
        index = knn(torch.randn(30, 2, generator=generator), 4, metric="euclidean").index
        edges = torch.stack([index.flatten(), torch.arange(30).repeat_interleave(4)])
    else:
        edges = grid_edges(5, 6, int(graph[-1]))
    # Repeated edges, self-loops and one direction only make no difference.
    odd = torch.cat([edges, edges[:, :7].flip(0), torch.tensor([[3], [3]])], dim=1)
    found = affinity_laplacian(signal, odd, bandwidth=0.8).toarray()
    assert np.allclose(found, dense_laplacian(signal, edges, 0.8), atol=1e-14)


def test_the_default_bandwidth_cuts_the_largest_jump() -> None:
    signal = torch.tensor([[0.0], [0.1], [1.1]])
    weight = affinity(signal, torch.tensor([[0, 1], [1, 2]]))
    assert weight[1] == 1e-3
    assert float(weight[0]) == pytest.approx(np.exp(-0.5), rel=1e-6)
    assert torch.equal(affinity(torch.ones(2, 1), torch.tensor([[0], [1]])), torch.ones(1).double())


def test_the_boundary_only_variant_leaves_other_nodes_alone() -> None:
    signal = torch.arange(5.0)[:, None]
    nodes = torch.tensor([True, True, True, False, True])
    found = affinity_laplacian(signal, grid_edges(1, 5), nodes=nodes).toarray()
    alone = affinity_laplacian(signal[:3], grid_edges(1, 3)).toarray()
    assert np.allclose(found[:3, :3], alone)
    assert np.array_equal(found[3:], np.eye(5)[3:])


def test_bad_input_is_refused_in_a_sentence() -> None:
    edges = grid_edges(1, 3)
    with pytest.raises(InputError, match="expected finite values in signal, found NaN or infinity"):
        affinity(torch.tensor([[0.0], [torch.nan], [1.0]]), edges)
    with pytest.raises(InputError, match="expected a positive bandwidth, found -1"):
        affinity(torch.zeros(3, 1), edges, bandwidth=-1.0)
    with pytest.raises(InputError, match=r"expected nodes 0\.\.2 in edge_index, found 0\.\.7"):
        affinity_laplacian(torch.zeros(3, 1), torch.tensor([[0], [7]]))
