from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph, jaccard, knn, mutual


def edges(edge_index: torch.Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edge_index.T.tolist()))


def embedding(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 40),
    k=st.integers(1, 45),
    seed=st.integers(0, 1000),
    both=st.booleans(),
    threshold=st.sampled_from([0.0, 0.3, 0.9]),
    metric=st.sampled_from(["cosine", "euclidean"]),
)
def test_is_the_filtered_union_and_nobody_is_alone(
    n: int, k: int, seed: int, both: bool, threshold: float, metric: str
) -> None:
    x = embedding(n, seed)
    found = candidate_graph(x, k, metric, mutual=both, jaccard=threshold)
    pairs = edges(found)
    assert found.dtype == torch.int64
    assert len(pairs) == found.size(1)  # no repeats
    assert pairs == {(j, i) for i, j in pairs}  # symmetric
    assert {(i, i) for i in range(n)} <= pairs
    key = found[1] * n + found[0]
    assert (key.diff() > 0).all()  # sorted by (target, source)
    index = knn(x, k, metric).index
    keep, overlap = mutual(index), jaccard(index)
    expected = {(i, i) for i in range(n)}
    for i in range(n):
        for a in range(index.size(1)):
            if (keep[i, a] or not both) and overlap[i, a] >= threshold:
                expected |= {(i, int(index[i, a])), (int(index[i, a]), i)}
    assert expected <= pairs
    for j, i in pairs - expected:
        # Only nodes that the options left alone get an edge back, to their nearest neighbour.
        alone = [node for node in (i, j) if not any(e[1] == node and e[0] != node for e in expected)]
        assert any(int(index[node, 0]) in (i, j) for node in alone)
    if n > 1:
        assert all(any(e[1] == node and e[0] != node for e in pairs) for node in range(n))


def test_batch_equals_graph_by_graph() -> None:
    sizes = [7, 1, 30, 12]
    x = embedding(sum(sizes))
    batch = torch.repeat_interleave(torch.arange(4), torch.tensor(sizes))
    parts, first = [], 0
    for size in sizes:
        parts.append(candidate_graph(x[first : first + size], k=9) + first)
        first += size
    assert torch.equal(candidate_graph(x, k=9, batch=batch), torch.cat(parts, dim=1))


def test_projection_is_used_for_the_search_only() -> None:
    x, projection = embedding(60), torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(candidate_graph(x, 4, projection=projection), candidate_graph(x @ projection, 4))
    assert not torch.equal(candidate_graph(x, 4, projection=projection), candidate_graph(x, 4))
    trained = projection.clone().requires_grad_()
    assert not candidate_graph(x.requires_grad_(), 4, projection=trained).requires_grad


def test_same_embedding_same_graph_bit_for_bit() -> None:
    x = embedding(300)
    assert torch.equal(candidate_graph(x, 40), candidate_graph(x.clone(), 40))
    copies = x[torch.arange(300) % 7]  # many exact duplicates
    assert torch.equal(candidate_graph(copies, 40), candidate_graph(copies.clone(), 40))


def test_permutation_equivariance() -> None:
    x = embedding(50)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    moved = candidate_graph(x[order], 6)
    assert edges(order[moved]) == edges(candidate_graph(x, 6))


def test_empty_batch() -> None:
    assert candidate_graph(torch.empty(0, 3), 4).shape == (2, 0)
    assert candidate_graph(torch.empty(0, 3), 4, batch=torch.empty(0, dtype=torch.long)).shape == (2, 0)


def test_bad_input() -> None:
    x = embedding(6)
    with pytest.raises(InputError, match=r"Jaccard threshold in \[0, 1\], found 1.5"):
        candidate_graph(x, 2, jaccard=1.5)
    with pytest.raises(InputError, match="projection of 5 rows"):
        candidate_graph(x, 2, projection=torch.zeros(4, 2))
    with pytest.raises(InputError, match="projection of 5 rows, found ndarray"):
        inspect.unwrap(candidate_graph)(x, 2, projection=torch.zeros(5, 2).numpy())
    for batch, message in (
        (torch.tensor([0, 1, 0, 1, 0, 1]), "a batch that ascends from 0, found negative numbers or another order"),
        (torch.tensor([1, 0, 0, 1, 1, 1], dtype=torch.uint8), "a batch that ascends from 0, found"),
        (torch.tensor([-1, 0, 0, 1, 1, 1]), "a batch that ascends from 0, found negative numbers"),
        (torch.zeros(6), r"the graph of each of 6 nodes, found a torch.float32 tensor of shape \(6,\)"),
        (torch.zeros(6, dtype=torch.bool), r"the graph of each of 6 nodes, found a torch.bool tensor of shape \(6,\)"),
        (torch.zeros(5, dtype=torch.long), r"the graph of each of 6 nodes, found a torch.int64 tensor of shape \(5,\)"),
        ([0, 0, 0, 1, 1, 1], "the graph of each of 6 nodes, found list"),
    ):
        with pytest.raises(InputError, match=message):
            candidate_graph(x, 2, batch=batch)  # type: ignore[arg-type]
