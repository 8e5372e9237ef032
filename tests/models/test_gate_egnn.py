from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.models import GateEGNN
from pyg_gears.nn import EdgeGate
from pyg_gears.testing import assert_batched_equals_single, assert_permutation_equivariant, random_graphs

C = 6


def model(heads: int | None = None, **options: float) -> GateEGNN:
    """A small model away from its start, in evaluation mode."""
    torch.manual_seed(0)
    built = GateEGNN(C, 8, gate=EdgeGate(C, 8, heads=heads), **options)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.double().eval()


def graph() -> Data:
    """Duplicate nodes, a node that nothing enters, one that only its self-loop enters."""
    data = random_graphs([14], C, dtype=torch.float64)[0]
    data.x[3] = data.x[5]
    source, target = data.edge_index
    data.edge_index = data.edge_index[:, (target != 2) & ((target != 1) | (source == 1))]
    return data


@pytest.mark.parametrize("heads", [None, 3])
@pytest.mark.parametrize("use_gate", [True, False])
def test_equals_the_statement(heads: int | None, use_gate: bool) -> None:
    data, built = graph(), model(heads)
    found = built(data, use_gate=use_gate, beta=1.3)
    gate = built.gate(data.x, data.edge_index)
    gate = gate[:, None] if heads is None else gate
    weight = torch.zeros(data.edge_index.size(1), dtype=torch.float64)
    for i in range(14):
        incoming = ((data.edge_index[1] == i) & (data.edge_index[0] != i)).nonzero().flatten()
        logits = 1.3 * gate[incoming] if use_gate else torch.zeros_like(gate[incoming])
        weight[incoming] = logits.softmax(dim=0).mean(dim=1)
    s, pos = built.embed_state(data.x), gauge_fix(built.embed_pos(data.x))
    torch.testing.assert_close(found.initial, pos)
    for layer, after in zip(built.layers, found.trajectory, strict=True):
        s, pos = layer(s, pos, data.edge_index, weight)
        pos = gauge_fix(pos)
        torch.testing.assert_close(after, pos)
    torch.testing.assert_close(found.state, s)
    assert (found.gate_logits is None) == (not use_gate)


def test_properties_of_the_kit() -> None:
    built = model()

    def pos(data: Data) -> Tensor:
        return built(data).pos

    graphs = random_graphs([20, 1, 33], C, dtype=torch.float64)
    assert_permutation_equivariant(pos, graphs[0], tol=1e-9)
    assert_batched_equals_single(pos, graphs, tol=1e-9)


def test_the_gate_decides_and_can_be_detached() -> None:
    data, built = graph(), model()
    own = built(data)
    torch.testing.assert_close(built(data, gate_logits=own.gate_logits).pos, own.pos)
    torch.testing.assert_close(built(data, beta=0.0).pos, built(data, use_gate=False).pos)
    assert not torch.allclose(own.pos, built(data, use_gate=False).pos)
    gate = list(built.gate.parameters())
    detached = built(data, detach_gate=True)
    found = torch.autograd.grad(detached.pos.square()[:5].sum(), gate, allow_unused=True, retain_graph=True)
    assert all(gradient is None for gradient in found)
    assert torch.autograd.grad(own.pos.square()[:5].sum(), gate)[0].abs().max() > 0
    assert torch.autograd.grad(detached.gate_logits.square().sum(), gate)[0].abs().max() > 0
    with pytest.raises(InputError, match="another support"):
        built(data, edge_index=data.edge_index[:, :-1], gate_logits=own.gate_logits)


def test_noise_makes_samples() -> None:
    data, built = graph(), model()
    first, again, other = (built(data, noise=0.3, generator=torch.Generator().manual_seed(s)).pos for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert torch.equal(built(data).pos, built(data).pos)


def test_a_new_model_starts_at_its_guess_and_can_learn() -> None:
    torch.manual_seed(0)
    data = random_graphs([20], C)[0]
    built = GateEGNN(C, 24, noise=0.0)
    torch.testing.assert_close(built(data).pos, built(data).initial)
    goal, losses = gauge_fix(data.x[:, :2]), []
    optimiser = torch.optim.AdamW(built.parameters(), lr=1e-2)
    for _ in range(30):
        optimiser.zero_grad()
        loss = (built(data).pos - goal).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert built.gate.first.weight.grad.abs().max() > 0


def test_single_nodes_and_collapsed_embeddings_stay_finite() -> None:
    for x in (torch.randn(1, C), torch.zeros(7, C)):
        built = model().float().train()
        edges = torch.cartesian_prod(torch.arange(len(x)), torch.arange(len(x))).T
        built(Data(x=x, edge_index=edges), noise=0.0).pos.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)


def test_size_reset_and_bad_input() -> None:
    large = GateEGNN(128)
    total, gate = (sum(p.numel() for p in part.parameters()) for part in (large, large.gate))
    assert (total - gate, gate) == (251_426, 37_057)
    built = model()
    for parameter in built.parameters():
        torch.nn.init.constant_(parameter, 7.0)
    built.reset_parameters()
    assert not [name for name, p in built.named_parameters() if (p == 7.0).any()]
    with pytest.raises(InputError, match="at least one step, found 0"):
        GateEGNN(C, steps=0)
