from __future__ import annotations

import torch

from pyg_gears.graphs import candidate_graph
from pyg_gears.nn.reverse_edges import reverse_edges


def test_every_edge_leads_back_and_loops_to_themselves() -> None:
    edge_index = candidate_graph(torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), k=4)
    back = reverse_edges(edge_index, 30)
    assert back is not None
    assert torch.equal(edge_index[:, back], edge_index.flip(0))
    assert torch.equal(back[back], torch.arange(edge_index.size(1)))


def test_repeated_edges_find_partners_of_their_own() -> None:
    edge_index = torch.tensor([[1, 1, 0, 0, 1], [0, 0, 1, 1, 1]])
    back = reverse_edges(edge_index, 2)
    assert back is not None
    assert back.tolist() == [2, 3, 0, 1, 4]


def test_none_where_order_or_a_way_back_is_missing() -> None:
    assert reverse_edges(torch.tensor([[1, 2], [0, 1]]), 3) is None
    assert reverse_edges(torch.tensor([[1, 0, 0], [0, 1, 0]]), 2) is None  # not sorted by target
    assert reverse_edges(torch.empty(2, 0, dtype=torch.long), 3) is not None


def test_more_nodes_than_narrow_numbers_hold() -> None:
    source, target = torch.tensor([40_000, 50_000, 0, 1]), torch.tensor([0, 1, 40_000, 50_000])
    back = reverse_edges(torch.stack([source, target]), 50_001)
    assert back is not None
    assert back.tolist() == [2, 3, 0, 1]
