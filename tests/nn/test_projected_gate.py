from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.nn import EdgeGate, ProjectedGate

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 0, 3, 2, 4]])


def test_the_gate_reads_the_projection_and_nothing_else() -> None:
    torch.manual_seed(0)
    gate = ProjectedGate(EdgeGate(2), 6, 2)
    chosen = torch.randn(6, 2)
    gate.set_projection(chosen)
    assert torch.equal(gate(X, EDGES), gate.gate(X @ chosen, EDGES))
    blind = torch.linalg.svd(chosen.T).Vh[2:].sum(dim=0)  # a direction that the projection removes
    torch.testing.assert_close(gate(X + blind, EDGES), gate(X, EDGES), atol=1e-5, rtol=1e-4)


def test_the_projection_travels_with_the_state_and_is_not_trained() -> None:
    gate, other = (ProjectedGate(EdgeGate(2), 6, 2) for _ in range(2))
    gate.set_projection(torch.full((6, 2), 0.5))
    other.load_state_dict(gate.state_dict())
    assert torch.equal(other.projection, gate.projection)
    assert all(name.startswith("gate.") for name, _ in gate.named_parameters())


def test_reset_draws_the_gate_again_and_keeps_the_projection() -> None:
    gate = ProjectedGate(EdgeGate(2), 6, 2)
    gate.set_projection(torch.full((6, 2), 0.5))
    before = gate.gate.first.weight.clone()
    gate.reset_parameters()
    assert not torch.equal(gate.gate.first.weight, before)
    assert torch.equal(gate.projection, torch.full((6, 2), 0.5))


def test_autocast_leaves_the_logits_as_they_are() -> None:
    torch.manual_seed(0)
    gate = ProjectedGate(EdgeGate(2), 6, 2)
    gate.set_projection(torch.randn(6, 2))
    with torch.autocast("cpu", torch.bfloat16):
        found = gate(X, EDGES)
    assert torch.equal(found, gate(X, EDGES))


def test_embeddings_of_another_kind_are_refused() -> None:
    gate = ProjectedGate(EdgeGate(2), 6, 2)
    with pytest.raises(InputError, match="expected 6 channels, found 5 in x"):
        gate(X[:, :5], EDGES)
    with pytest.raises(InputError, match="expected x of one set of nodes, found a tuple of 2"):
        gate((X, X), EDGES)


def test_a_projection_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected a projection of shape \(6, 2\), found \(2, 6\)"):
        ProjectedGate(EdgeGate(2), 6, 2).set_projection(torch.zeros(2, 6))
