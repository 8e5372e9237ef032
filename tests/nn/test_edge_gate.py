from __future__ import annotations

import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.nn import EdgeGate, pair_mlp


def concatenated(gate: EdgeGate, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
    """The formula as it is written, one vector of 4c features per edge."""
    h_j, h_i = x[edge_index[0]], x[edge_index[1]]
    z = torch.cat([h_i, h_j, (h_i - h_j).abs(), h_i * h_j], dim=-1)
    z = torch.nn.functional.gelu(gate.second(torch.nn.functional.gelu(gate.first(z))))
    g = gate.last(z).masked_fill((edge_index[0] == edge_index[1])[:, None], 0.0)
    return g if gate.heads else g[:, 0]


def graph(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=generator)
    x[4] = x[9]  # duplicates: |h_i - h_j| has its kink there
    edge_index = candidate_graph(x, k=5)
    if kind == "shuffled":
        edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    elif kind == "directed":
        edge_index = torch.randint(0, 30, (2, 100), generator=generator)
    elif kind == "empty":
        edge_index = edge_index[:, :0]
    return x, edge_index


@pytest.mark.parametrize("kind", ["symmetric", "shuffled", "directed", "empty"])
@pytest.mark.parametrize("heads", [None, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_the_concatenation_forward_and_backward(
    kind: str, heads: int | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pair_mlp.CHUNK, "cpu", 16)  # several chunks, the last one short
    torch.manual_seed(0)
    gate = EdgeGate(6, 8, heads=heads).to(dtype)
    x, edge_index = graph(kind)
    x = x.to(dtype)
    weight = torch.randn(edge_index.size(1), heads or 1, dtype=dtype)
    weight = weight if heads else weight[:, 0]
    results = []
    for evaluate in (gate, lambda *args: concatenated(gate, *args)):
        leaf = x.clone().requires_grad_()
        output = evaluate(leaf, edge_index)
        gradient = torch.autograd.grad((output * weight).sum(), [leaf, *gate.parameters()])
        results.append((output, gradient))
    (ours, our_gradient), (plain, plain_gradient) = results
    assert ours.shape == ((edge_index.size(1),) if heads is None else (edge_index.size(1), heads))
    tolerance = {"atol": 1e-5, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 1e-12, "rtol": 1e-10}
    torch.testing.assert_close(ours, plain, **tolerance)
    torch.testing.assert_close(our_gradient, plain_gradient, **tolerance)


def test_self_loops_are_neutral() -> None:
    x, edge_index = graph("symmetric")
    logits = EdgeGate(6)(x, edge_index)
    is_loop = edge_index[0] == edge_index[1]
    assert is_loop.any()
    assert (logits[is_loop] == 0).all()
    assert (logits[~is_loop] != 0).all()


def test_the_direction_matters() -> None:
    x, edge_index = graph("symmetric")
    gate = EdgeGate(6)
    assert not torch.allclose(gate(x, edge_index), gate(x, edge_index.flip(0)))


def test_parameter_count() -> None:
    assert sum(p.numel() for p in EdgeGate(128).parameters()) == 37_057


def test_permutation_equivariance() -> None:
    x, edge_index = graph("symmetric")
    gate = EdgeGate(6)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    torch.testing.assert_close(gate(x[order], place[edge_index]), gate(x, edge_index))


def test_batched_equals_unbatched() -> None:
    gate = EdgeGate(6)
    graphs = [torch.randn(n, 6, generator=torch.Generator().manual_seed(n)) for n in (5, 1, 17)]
    alone = [gate(x, candidate_graph(x, 4)) for x in graphs]
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor([5, 1, 17]))
    together = torch.cat(graphs)
    edge_index = candidate_graph(together, 4, batch=batch)
    torch.testing.assert_close(gate(together, edge_index), torch.cat(alone))
    assert torch.equal(gate(together, edge_index, batch), gate(together, edge_index))


def test_accepts_edge_index() -> None:
    x, edge_index = graph("symmetric")
    gate = EdgeGate(6)
    wrapped = EdgeIndex(edge_index, sparse_size=(30, 30), sort_order="col")
    output = gate(x, wrapped)
    assert type(output) is torch.Tensor
    assert torch.equal(output, gate(x, edge_index))


def test_bad_input_and_reset() -> None:
    gate = EdgeGate(6)
    with pytest.raises(InputError, match="6 channels, found 5"):
        gate(torch.randn(3, 5), torch.tensor([[0], [1]]))
    before = [parameter.detach().clone() for parameter in gate.parameters()]
    gate.reset_parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, gate.parameters(), strict=True))
    assert repr(gate) == "EdgeGate(6, hidden_channels=64, heads=None)"
