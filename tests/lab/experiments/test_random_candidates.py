from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.lab.experiments.random_candidates import RandomCandidates
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def graph(n: int, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    return Data(x=torch.randn(n, 5, generator=generator), pos=torch.randn(n, 2, generator=generator))


def pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return set(map(tuple, edges.T.tolist()))


def test_as_many_edges_of_the_same_degrees_without_relation_to_the_embedding() -> None:
    own = CandidateGraph(k=6)(graph(60, 0)).edge_index
    data = graph(60, 0)
    drawn = RandomCandidates.like(CandidateGraph(k=6))(data).edge_index
    assert drawn.shape == own.shape
    assert torch.equal(drawn[1].bincount().sort().values, own[1].bincount().sort().values)
    assert pairs(drawn) == pairs(drawn.flip(0))
    assert (drawn[0] == drawn[1]).sum() == 60
    assert torch.equal(data.x, graph(60, 0).x)
    # By chance a pair is an own candidate as often as any.
    both = len(pairs(drawn) & pairs(own)) - 60
    expected = (own.size(1) - 60) ** 2 / (60 * 59)
    assert both < 2 * expected < own.size(1) - 60
    order = (drawn[1] * 60 + drawn[0]).argsort()
    assert torch.equal(order, torch.arange(drawn.size(1)))


def test_the_same_graph_has_the_same_ones_alone_and_in_a_batch() -> None:
    search = RandomCandidates(k=6)
    alone = [search(graph(n, n)) for n in (40, 50)]
    batch = Batch.from_data_list([graph(n, n) for n in (40, 50)])
    expected = Batch.from_data_list(alone).edge_index
    assert torch.equal(search.batch_edges(batch), expected)
    assert torch.equal(search(batch).edge_index, expected)
    assert "RandomCandidates(k=6" in repr(search)


def test_the_gate_is_taught_on_the_edges_that_there_are() -> None:
    search = RandomCandidates.like(CandidateGraph(k=6, gate_target="mix"))
    assert search.gate_target == "mix"
    data = search(GeometricTargets()(graph(60, 0)))
    assert data.gate_target.shape == (data.edge_index.size(1),)
    total = torch.zeros(60, dtype=data.gate_target.dtype).index_add(0, data.edge_index[1], data.gate_target)
    assert float(total.max()) == pytest.approx(1.0, abs=1e-4)
