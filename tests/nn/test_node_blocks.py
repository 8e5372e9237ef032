from __future__ import annotations

import torch

from pyg_gears.graphs import candidate_graph
from pyg_gears.nn.node_blocks import node_blocks


def test_finds_the_graphs_of_a_batch_in_any_order_of_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    batch = torch.repeat_interleave(torch.arange(4), torch.tensor([9, 1, 5, 20]))
    edge_index = candidate_graph(torch.randn(35, 3, generator=generator), k=4, batch=batch)
    shuffled = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    blocks = node_blocks(shuffled, 35)
    assert (blocks.diff() >= 0).all()
    assert torch.equal(blocks[edge_index[0]], blocks[edge_index[1]])  # no edge is cut
    assert (batch[:, None] == batch)[blocks[:, None] == blocks].all()  # no two graphs are one block
    assert torch.equal(blocks.unique(), torch.arange(int(blocks.max()) + 1))


def test_as_fine_as_possible() -> None:
    edge_index = torch.tensor([[3, 1, 4, 6], [1, 2, 4, 5]])
    assert node_blocks(edge_index, 8).tolist() == [0, 1, 1, 1, 2, 3, 3, 4]


def test_nothing_to_split() -> None:
    none = torch.zeros(2, 0, dtype=torch.long)
    assert node_blocks(none, 0).shape == (0,)
    assert node_blocks(none, 3).tolist() == [0, 1, 2]
