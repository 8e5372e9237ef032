from __future__ import annotations

import torch

from pyg_gears.models.hard_gate import best_edges


def test_keeps_the_best_of_every_node_and_its_self_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(0, 12, (2, 90), generator=generator).unique(dim=1)
    edge_index = edge_index[:, edge_index[1] != 4]  # nothing enters node 4
    edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    logits = torch.randn(edge_index.size(1), 2, generator=generator)
    for gate in (logits[:, 0], logits):
        kept = best_edges(gate, edge_index, 12, count=3)
        score = gate if gate.dim() == 1 else gate.mean(dim=1)
        for node in range(12):
            incoming = [e for e in range(edge_index.size(1)) if edge_index[1, e] == node and edge_index[0, e] != node]
            best = sorted(incoming, key=lambda e: -float(score[e]))[:3]
            assert {e for e in incoming if kept[e]} == set(best)
        assert kept[edge_index[0] == edge_index[1]].all()


def test_of_equal_ones_the_first_listed_stay() -> None:
    edge_index = torch.tensor([[3, 1, 2, 0], [0, 0, 0, 0]])
    assert best_edges(torch.zeros(4), edge_index, 4, count=2).tolist() == [True, True, False, True]
