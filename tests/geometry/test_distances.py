from __future__ import annotations

import torch

from pyg_gears.geometry import edge_distance, farthest_points
from tests.pairwise_distance import pairwise_distance


def test_distances_agree_with_cdist() -> None:
    pos = torch.randn(30, 2, dtype=torch.float64)
    expected = torch.cdist(pos, pos, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(pairwise_distance(pos), expected)
    edge_index = torch.randint(0, 30, (2, 80))
    distinct = edge_index[:, edge_index[0] != edge_index[1]]
    torch.testing.assert_close(edge_distance(pos, distinct), expected[distinct[0], distinct[1]])


def test_gradient_is_finite_at_coincidence() -> None:
    pos = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    edge_index = torch.tensor([[0, 1], [1, 2]])
    (edge_distance(pos, edge_index).sum() + pairwise_distance(pos).sum()).backward()
    assert torch.equal(pos.grad, torch.zeros_like(pos.grad))


def test_farthest_points_follow_the_greedy_rule() -> None:
    pos = torch.rand(60, 2, dtype=torch.float64)
    chosen = farthest_points(pos, 7).tolist()
    for step in range(1, 7):
        nearest = torch.cdist(pos, pos[chosen[:step]]).min(dim=1).values
        assert chosen[step] == int(nearest.argmax())
    assert sorted(farthest_points(pos[:4], 9).tolist()) == [0, 1, 2, 3]
    assert farthest_points(torch.zeros(5, 2), 3).unique().numel() == 3
