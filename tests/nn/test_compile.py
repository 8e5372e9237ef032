"""The layers survive torch.compile on the edge-list path: as one graph, for any number of nodes and edges."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch_geometric import EdgeIndex

from pyg_gears.graphs import candidate_graph
from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, IPAConv, PairBias


class Gated(torch.nn.Module):
    def __init__(self, geo: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gate, self.conv = EdgeGate(8, 16), IPAConv(8, heads=2, head_channels=4, geo=geo, qk="learned")
        for parameter in self.parameters():
            torch.nn.init.normal_(parameter, std=0.3)

    def forward(
        self, x: torch.Tensor, pos: torch.Tensor, edge_index: torch.Tensor, batch: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.conv(x, pos, edge_index, self.gate(x, edge_index), batch)


def graphs(sizes: list[int]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(sizes))
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    x, pos = (torch.randn(sum(sizes), c, generator=generator) for c in (8, 2))
    return x, pos, candidate_graph(x, 4, batch=batch), batch


@pytest.mark.slow
def test_one_graph_for_all_sizes_forward_and_backward() -> None:
    torch._dynamo.reset()
    model = Gated("rbf")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend="aot_eager")

    def run(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        s, pos = module(*given)
        total = (s * torch.linspace(-1, 1, s.numel()).view_as(s)).sum() + pos.square().sum()
        return s, pos, *torch.autograd.grad(total, list(model.parameters()))

    first, second = graphs([9, 14]), graphs([20, 5, 6])
    torch.testing.assert_close(run(compiled, first), run(model, first), atol=2e-5, rtol=2e-4)
    with torch.compiler.set_stance("fail_on_recompile"):
        torch.testing.assert_close(run(compiled, second), run(model, second), atol=2e-5, rtol=2e-4)


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="the default backend needs a C++ compiler")
def test_the_default_backend_compiles_the_attention() -> None:
    torch._dynamo.reset()
    conv = Gated("none").conv
    x, pos, edge_index, _ = graphs([12])
    with torch.no_grad():
        compiled = torch.compile(conv, fullgraph=True, dynamic=True)
        torch.testing.assert_close(compiled(x, pos, edge_index), conv(x, pos, edge_index), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
@pytest.mark.parametrize(
    "make",
    [
        lambda: EdgeGate(8, 16),
        lambda: PairBias(8, 2),
        lambda: GateFormer(8, 16).eval(),
        lambda: IPAConv(8, 2, 4),
        lambda: EGNNConv(8),
    ],
)
def test_an_edge_index_compiles(make, dtype: torch.dtype) -> None:
    torch._dynamo.reset()
    x, pos, edge_index, _ = graphs([12])
    wrapped = EdgeIndex(edge_index.to(dtype), sparse_size=(12, 12), sort_order="col")
    layer = make()
    given = (x, pos, wrapped) if isinstance(layer, IPAConv | EGNNConv) else (x, wrapped)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(*given), layer(*given), atol=1e-5, rtol=1e-4)
