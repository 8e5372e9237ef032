"""The support matrix of docs/layers.md, cell by cell: "yes" works as the column says, "refused" is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch_geometric import EdgeIndex
from torch_geometric.explain.algorithm.utils import clear_masks, set_masks
from torch_geometric.nn import MessagePassing

from pyg_gears.errors import InputError
from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, IPAConv, PairBias
from pyg_gears.testing import random_graphs

C, SIZES = 8, [9, 1, 14]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "layers.md"
Call = Callable[..., Tensor]

LAYERS: dict[str, Callable[[], torch.nn.Module]] = {
    "EdgeGate": lambda: EdgeGate(C, 8),
    "GateFormer": lambda: GateFormer(C, 8, heads=2),
    "PairBias": lambda: PairBias(C, heads=2),
    'IPAConv, layout="edge"': lambda: IPAConv(C, heads=2, head_channels=4, layout="edge", geo="monotone"),
    'IPAConv, layout="dense"': lambda: IPAConv(C, heads=2, head_channels=4, layout="dense", geo="monotone"),
    "EGNNConv": lambda: EGNNConv(C),
}


def build(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    for parameter in layer.parameters():  # zeroed last layers would hide everything
        torch.nn.init.normal_(parameter, std=0.3)
    return layer.eval()


def call(
    name: str, layer: torch.nn.Module, x: Tensor, pos: Tensor, edges: Tensor, batch: Tensor | None = None
) -> Tensor:
    """States and coordinates side by side, or one row an edge."""
    if name.startswith("IPAConv"):
        return torch.cat(layer(x, pos, edges, None, batch), dim=1)
    if name == "EGNNConv":
        return torch.cat(layer(x, pos, edges), dim=1)
    if name == "PairBias":
        return layer(x, edges)
    return layer(x, edges, batch)


def example(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    graphs = random_graphs(SIZES, C, seed=1, dtype=dtype)
    offset = [sum(SIZES[:i]) for i in range(len(SIZES))]
    edges = torch.cat([graph.edge_index + start for graph, start in zip(graphs, offset, strict=True)], dim=1)
    batch = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    return torch.cat([g.x for g in graphs]), torch.cat([g.pos for g in graphs]), edges, batch


def batches(name: str) -> None:
    x, pos, edges, batch = example()
    together = call(name, build(name), x, pos, edges, batch)
    alone = [call(name, build(name), g.x, g.pos, g.edge_index) for g in random_graphs(SIZES, C, seed=1)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def edge_index_class(name: str) -> None:
    x, pos, edges, batch = example()
    given = EdgeIndex(edges, sparse_size=(len(x), len(x)))
    torch.testing.assert_close(
        call(name, build(name), x, pos, given, batch), call(name, build(name), x, pos, edges, batch)
    )


def compiles(name: str) -> None:
    torch._dynamo.reset()
    x, pos, edges, batch = example()
    layer = build(name)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch.no_grad():
        expected = call(name, layer, x, pos, edges, batch)
        torch.testing.assert_close(call(name, compiled, x, pos, edges, batch), expected, atol=1e-5, rtol=1e-4)


def functions(name: str) -> None:
    """Gradients of two sets of weights at once are those one after the other, and so are directional derivatives."""
    x, pos, edges, batch = example()
    members = [build(name) for _ in range(2)]
    for parameter in members[1].parameters():
        torch.nn.init.normal_(parameter, std=0.2)

    class Called(torch.nn.Module):
        def __init__(self, layer: torch.nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return call(name, self.layer, x, pos, edges, batch)

    called = [Called(layer) for layer in members]
    weights, buffers = torch.func.stack_module_state(called)

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(called[0], (weights, buffers), (x,)).square().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(0, 0, None))(weights, buffers, x)
    for member, layer in enumerate(called):
        layer(x).square().sum().backward()
        for key, parameter in layer.named_parameters():
            torch.testing.assert_close(found[key][member], parameter.grad, atol=1e-4, rtol=1e-3)
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    _, along = torch.func.jvp(called[0], (x,), (direction,))
    expected = torch.autograd.functional.jvp(called[0], x, direction)[1]
    torch.testing.assert_close(along, expected, atol=1e-4, rtol=1e-3)
    with forward_ad.dual_level():
        dual = called[0](forward_ad.make_dual(x, direction))
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, expected, atol=1e-4, rtol=1e-3)


def autocast(name: str) -> None:
    x, pos, edges, batch = example()
    layer = build(name)
    expected = call(name, layer, x, pos, edges, batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = call(name, layer, x, pos, edges, batch)
    found.float().sum().backward()
    assert (found.float() - expected).norm() < 0.05 * expected.norm()


def half(name: str) -> None:
    x, pos, edges, batch = example()
    expected = call(name, build(name), x, pos, edges, batch)
    for dtype in (torch.float16, torch.bfloat16):
        found = call(name, build(name).to(dtype), x.to(dtype), pos.to(dtype), edges, batch)
        assert found.dtype == dtype
        assert (found.float() - expected).norm() < 0.05 * expected.norm()


def double(name: str) -> None:
    x, pos, edges, batch = example()
    found = call(name, build(name).double(), x.double(), pos.double(), edges, batch)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), call(name, build(name), x, pos, edges, batch), atol=1e-4, rtol=1e-3)


def explains(name: str) -> None:
    """Open masks change nothing, shut ones do."""
    x, pos, edges, batch = example()
    layer = build(name)
    plain = call(name, layer, x, pos, edges, batch)
    model = torch.nn.ModuleList([layer])
    found = []
    for value in (50.0, -50.0):
        set_masks(model, torch.nn.Parameter(torch.full((edges.size(1),), value)), edges, apply_sigmoid=True)
        found.append(call(name, layer, x, pos, edges, batch))
        clear_masks(model)
    torch.testing.assert_close(found[0], plain, atol=1e-4, rtol=1e-3)
    assert (found[1] - plain).norm() > 0.01 * plain.norm()


def second_derivative(name: str) -> None:
    x, pos, edges, batch = example(torch.float64)
    x.requires_grad_()
    loss = call(name, build(name).double(), x, pos, edges, batch).square().sum()
    (plain,) = torch.autograd.grad(loss, x, retain_graph=True)
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    torch.testing.assert_close(first, plain)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert second.isfinite().all()
    assert second.abs().sum() > 0


def adjacency(name: str) -> None:
    """The transposed adjacency (row = target), whose edges come in the order of the example's."""
    x, pos, edges, batch = example()
    ones = torch.ones(edges.size(1))
    given = torch.sparse_coo_tensor(edges.flip(0), ones, (len(x), len(x)), check_invariants=True).coalesce()
    torch.testing.assert_close(
        call(name, build(name), x, pos, given, batch), call(name, build(name), x, pos, edges, batch)
    )


def bipartite(name: str) -> None:
    x, pos, edges, batch = example()
    call(name, build(name), (x, x), (pos, pos), edges, batch)


COLUMNS: dict[str, Callable[[str], None]] = {
    "batch": batches,
    "`EdgeIndex`": edge_index_class,
    "`torch.compile`": compiles,
    "`torch.func`": functions,
    "autocast": autocast,
    "half, bfloat16": half,
    "float64": double,
    "explain (edge masks)": explains,
    "second derivative": second_derivative,
    "sparse adjacency": adjacency,
    "bipartite": bipartite,
}


def table() -> list[tuple[str, str, str]]:
    """Layer, column and cell of the page's table."""
    lines = PAGE.read_text().split("## Support")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [(row[0], column, cell) for row in rows[2:] for column, cell in zip(rows[0][1:], row[1:], strict=True)]


def test_the_table_is_whole() -> None:
    assert {(layer, column) for layer, column, _ in table()} == {(a, b) for a in LAYERS for b in COLUMNS}
    assert {cell for *_, cell in table()} <= {"yes", "refused", "none"}


@pytest.mark.parametrize(("name", "column", "cell"), table())
def test_cell(name: str, column: str, cell: str) -> None:
    if cell == "yes":
        COLUMNS[column](name)
    elif cell == "refused":
        with pytest.raises(InputError, match=r"(?s)^expected .*found .*[;,] "):
            COLUMNS[column](name)
    else:
        assert not isinstance(build(name), MessagePassing)


@pytest.mark.parametrize("name", LAYERS)
def test_tensors_without_values_get_shapes(name: str) -> None:
    """As estimates of memory and of operations run a model."""
    layer, given = build(name), example()
    plain = call(name, layer, *given)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        found = call(name, layer, *map(mode.from_tensor, given))
    assert (found.shape, found.dtype) == (plain.shape, plain.dtype)
