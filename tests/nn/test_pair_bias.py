from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu
from torch_geometric import EdgeIndex

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.nn.pair_bias import PairBias


def written_out(bias: PairBias, x: Tensor, edge_index: Tensor) -> Tensor:
    """The formula, edge by edge and head by head."""
    rows = []
    for j, i in edge_index.T.tolist():
        feature = torch.cat([x[i], x[j], (x[i] - x[j]).abs(), x[i] * x[j]])
        z = gelu(bias.second.weight @ gelu(bias.first.weight @ feature + bias.first.bias) + bias.second.bias)
        row = torch.stack([w @ z for w in bias.last.weight])
        rows.append(row if i != j else torch.zeros_like(row))
    return torch.stack(rows)


def example(dtype: torch.dtype = torch.float64) -> tuple[PairBias, Tensor, Tensor]:
    """A layer away from its start, a symmetric graph with self-loops and two duplicate nodes."""
    torch.manual_seed(0)
    bias = PairBias(5, heads=3, channels=4, hidden_channels=7)
    for parameter in bias.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(15, 5, dtype=dtype)
    x[4] = x[9]
    return bias.to(dtype), x, candidate_graph(x, 4)


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-11)])
def test_equals_the_formula_forward_and_backward(directed: bool, dtype: torch.dtype, tolerance: float) -> None:
    bias, x, edge_index = example(dtype)
    edge_index = edge_index[:, ::2] if directed else edge_index
    weight = torch.randn(edge_index.size(1), 3, dtype=dtype)
    results = []
    for evaluate in (bias, lambda *given: written_out(bias, *given)):
        leaf = x.clone().requires_grad_()
        found = evaluate(leaf, edge_index)
        results.append((found, *torch.autograd.grad((found * weight).sum(), [leaf, *bias.parameters()])))
    torch.testing.assert_close(*results, atol=tolerance, rtol=10 * tolerance)


def test_a_new_layer_adds_nothing_and_can_learn() -> None:
    _, x, edge_index = example(torch.float32)
    bias = PairBias(5, heads=2)
    found = bias(x, edge_index)
    assert found.shape == (edge_index.size(1), 2)
    assert (found == 0).all()
    (found - 1.0).square().sum().backward()
    assert bias.last.weight.grad.abs().max() > 0
    torch.nn.init.ones_(bias.last.weight)
    before = [parameter.detach().clone() for parameter in bias.parameters()]
    bias.reset_parameters()
    assert (bias.last.weight == 0).all()
    assert not any(torch.equal(a, b) for a, b in zip(before, bias.parameters(), strict=True))


def test_self_loops_are_zero_and_edge_index_is_accepted() -> None:
    bias, x, edge_index = example()
    found = bias(x, edge_index)
    loop = edge_index[0] == edge_index[1]
    assert loop.sum() == 15
    assert (found[loop] == 0).all()
    assert (found[~loop] != 0).all()
    assert torch.equal(bias(x, EdgeIndex(edge_index, sparse_size=(15, 15))), found)
    assert bias(x, edge_index[:, :0]).shape == (0, 3)


def test_compiled_equals_eager() -> None:
    bias, x, edge_index = example()
    compiled = torch.compile(bias, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, edge_index), bias(x, edge_index), atol=1e-11, rtol=1e-10)


def test_size_and_bad_input() -> None:
    assert sum(p.numel() for p in PairBias(128, heads=4).parameters()) == 35_040
    bias, x, edge_index = example()
    with pytest.raises(InputError, match="expected 5 channels, found 4"):
        bias(x[:, :4], edge_index)
    assert repr(bias) == "PairBias(5, heads=3, channels=4)"
