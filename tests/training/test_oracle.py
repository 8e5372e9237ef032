from __future__ import annotations

import pytest
import torch

from pyg_gears.data import MinisetLoader
from pyg_gears.training.build_model import build_model
from pyg_gears.training.oracle import gated_energy, mean_energies, oracle_edges, oracle_energy


def test_the_true_graph_gives_another_energy(prepared, tiny_recipe) -> None:
    batch = next(iter(MinisetLoader(prepared.validation, 200)))
    model = build_model(tiny_recipe, 6, seed=0).eval()
    for weight in model.parameters():  # at the start no coordinate moves, whatever the graph
        torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(0))
    assert oracle_energy(model, batch) != gated_energy(model, batch)


def test_oracle_edges_are_the_walk_with_self_loops(prepared) -> None:
    batch = next(iter(MinisetLoader(prepared.validation, 200)))
    edges = set(zip(*oracle_edges(batch).tolist(), strict=True))
    walk = set(zip(*batch.rw_edge_index.tolist(), strict=True))
    assert edges == walk | {(i, i) for i in range(batch.num_nodes)}


def test_mean_energy_weighs_minisets_alike(prepared, tiny_recipe) -> None:
    model = build_model(tiny_recipe, 6, seed=0).eval()
    together = mean_energies(model, prepared.validation, 10_000)
    alone = mean_energies(model, prepared.validation, 1)
    assert together == pytest.approx(alone, rel=1e-4)
    assert set(together) == {"h_gate", "t_edge"}


def test_weights_follow_the_seed_and_leave_the_global_state(tiny_recipe) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two, three = (build_model(tiny_recipe, 6, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.embed_pos[0].weight, three.embed_pos[0].weight)
