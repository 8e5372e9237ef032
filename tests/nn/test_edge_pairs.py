from __future__ import annotations

import torch

from pyg_gears.nn.edge_pairs import edge_pairs


def directions(edge_index: torch.Tensor, n: int) -> torch.Tensor:
    """The edges that the pairs claim, in the order of the edge list; -1 where none does."""
    pairs = edge_pairs(edge_index, n)
    claimed = torch.full_like(edge_index, -1)
    claimed[:, pairs.edges[0]] = pairs.nodes
    if pairs.edges.size(0) == 2:
        claimed[:, pairs.edges[1]] = pairs.nodes.flip(0)
    return claimed


def test_symmetric_graph_in_any_order_with_repeats() -> None:
    generator = torch.Generator().manual_seed(0)
    half = torch.randint(0, 12, (2, 60), generator=generator)
    half = half[:, half[0] != half[1]]
    loops = torch.arange(12).repeat(2, 1)
    edge_index = torch.cat([half, half.flip(0), loops], dim=1)
    edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    pairs = edge_pairs(edge_index, 12)
    assert pairs.edges.shape == (2, half.size(1))
    claimed = directions(edge_index, 12)
    is_loop = edge_index[0] == edge_index[1]
    assert torch.equal(claimed[:, ~is_loop], edge_index[:, ~is_loop])
    assert (claimed[:, is_loop] == -1).all()


def test_directed_graph_keeps_its_edges() -> None:
    for edge_index in (
        torch.tensor([[0, 1, 2, 2], [1, 2, 0, 2]]),  # two up, one down
        torch.tensor([[0, 2], [1, 0]]),  # as many up as down, but no reverses
    ):
        pairs = edge_pairs(edge_index, 3)
        assert pairs.edges.size(0) == 1
        kept = edge_index[0] != edge_index[1]
        assert torch.equal(directions(edge_index, 3)[:, kept], edge_index[:, kept])


def test_no_edges_and_only_loops() -> None:
    assert edge_pairs(torch.empty(2, 0, dtype=torch.long), 3).nodes.shape == (2, 0)
    assert edge_pairs(torch.tensor([[1], [1]]), 3).nodes.shape == (2, 0)
