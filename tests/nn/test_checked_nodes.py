from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Data, HeteroData
from torch_geometric.nn import HeteroConv

from pyg_gears.errors import InputError
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, GeometryBias, IPAConv, PairBias
from pyg_gears.nn.checked_nodes import checked_nodes, checked_places, checked_positions, checked_results

C = 4
X, POS = torch.randn(6, C, generator=torch.Generator().manual_seed(0)), torch.randn(6, 2)
EDGES = torch.tensor([[0, 1, 2, 5], [1, 0, 3, 4]])
LAYERS = {
    "gate": (lambda: EdgeGate(C), ("x", "edges")),
    "former": (lambda: GateFormer(C, 8, heads=2), ("x", "edges")),
    "pair": (lambda: PairBias(C, 2), ("x", "edges")),
    "ipa": (lambda: IPAConv(C, 2, 4), ("x", "pos", "edges")),
    "egnn": (lambda: EGNNConv(C), ("x", "pos", "edges")),
    "geometry": (lambda: GeometryBias("point", C, 2), ("x", "pos", "edges")),
    "model": (lambda: IPALite(C, 8, 2, 4), ("data",)),
}


def call(name: str, x: Any = X, pos: Any = POS, edges: Any = EDGES) -> Any:
    make, order = LAYERS[name]
    given = {"x": x, "pos": pos, "edges": edges, "data": Data(x=x, edge_index=edges)}
    return make()(*(given[each] for each in order))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (EDGES.t(), r"expected edge_index of shape \(2, e\), found \(4, 2\); transpose"),
        (torch.ones(6, 6), r"expected edge_index of shape \(2, e\), found \(6, 6\)"),
        (EDGES.double(), r"expected edge_index of integers, found torch\.float64"),
        (EDGES + 1, r"expected nodes 0\.\.5 in edge_index, found 1\.\.6"),
        (EDGES - 1, r"expected nodes 0\.\.5 in edge_index, found -1\.\.4"),
    ],
)
def test_every_layer_refuses_what_is_no_edge_list(name: str, wrong: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(name, edges=wrong)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "model"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((X, X[:3]), r"of one set of nodes, found a tuple of 2; bipartite .*to_homogeneous"),
        ({"cell": X}, "of one set of nodes, found a dict of 1"),
        (X[:, 0], r"of shape \(n, channels\), found \(6,\); give every node a row"),
        (X[:, :3], "expected 4 channels, found 3"),
        (X.long(), r"as floats, found torch\.int64; call \.float\(\)"),
        (None, r"as a tensor \(n, channels\), found none"),
    ],
)
def test_every_layer_refuses_what_are_no_node_values(name: str, wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(name, x=wrong)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "geometry"])
def test_another_float_type_is_refused_outside_autocast(name: str) -> None:
    with pytest.raises(InputError, match=r"in the layer's torch\.float32, found torch\.float64; call \.to"):
        call(name, x=X.double(), pos=POS.double())


@pytest.mark.parametrize("name", ["ipa", "egnn", "geometry"])
def test_positions_are_one_per_node(name: str) -> None:
    with pytest.raises(InputError, match=r"expected pos of shape \(6, (2|d)\), found \(5, 2\); give every node"):
        call(name, pos=POS[:5])


def test_positions_of_another_dimension() -> None:
    with pytest.raises(InputError, match=r"expected pos of shape \(6, 2\), found \(6, 3\)"):
        checked_positions(torch.ones(6, 3), X, dims=2)
    assert checked_positions(torch.ones(6, 3), X).shape == (6, 3)


def test_a_type_may_be_left_open() -> None:
    assert checked_nodes(X.half(), C, None).dtype == torch.float16


def test_autocast_converts() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert checked_nodes(X.bfloat16(), C, X).dtype == torch.float32


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(5, dtype=torch.long), r"each of 6 nodes, found a torch\.int64 tensor of shape \(5,\)"),
        (torch.zeros(6), r"each of 6 nodes, found a torch\.float32 tensor of shape \(6,\)"),
        ([0] * 6, "each of 6 nodes, found list"),
        (torch.tensor([0, 1, 0, 1, 1, 1]), "ascends from 0, found negative numbers or another order"),
        (torch.tensor([-1, 0, 0, 1, 1, 1]), "ascends from 0, found negative numbers"),
    ],
)
def test_membership_of_other_nodes(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_batch(wrong, 6)


def test_membership() -> None:
    assert checked_batch(None, 6) is None
    assert checked_batch(torch.zeros(6, dtype=torch.int32), 6).dtype == torch.long
    layer = IPAConv(C, 2, 4, layout="edge", geo="rbf")
    lone = layer(X, POS, EDGES, batch=torch.full((6,), 40))  # the last of many graphs, the others empty
    assert torch.equal(lone[1], layer(X, POS, EDGES)[1])


def test_values_too_large_for_their_type_are_refused_and_divergence_passes() -> None:
    with pytest.raises(InputError, match=r"products fit torch\.float32, found up to 1e\+30; standardise them"):
        EdgeGate(C)(torch.full((6, C), 1e30), EDGES)
    assert EdgeGate(C)(X * torch.nan, EDGES).isnan().all()
    diverged = EdgeGate(C)
    torch.nn.init.constant_(diverged.second.weight, torch.nan)
    assert diverged(X, EDGES).isnan().all()
    checked_results([torch.tensor([1.0])], [X], diverged)
    checked_results([torch.tensor([3e38, 3e38])], [X], EdgeGate(C))  # finite, though their sum is not


@pytest.mark.filterwarnings("ignore:There exist node types")
@pytest.mark.parametrize("name", ["gate", "former"])
def test_a_heterogeneous_convolution_gets_the_sentence(name: str) -> None:
    layer = LAYERS[name][0]()
    convs = HeteroConv({("a", "to", "b"): layer})
    with pytest.raises(InputError, match="bipartite and heterogeneous graphs are not supported"):
        convs({"a": X, "b": X}, {("a", "to", "b"): EDGES})
    with pytest.raises(InputError, match="a Batch of one set of nodes, found HeteroData"):
        IPALite(C, 8, 2, 4)(HeteroData(a={"x": X}))


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", LAYERS)
def test_an_adjacency_is_the_same_graph(name: str) -> None:
    order = (EDGES[1] * 6 + EDGES[0]).argsort()
    adjacency = torch.sparse_coo_tensor(EDGES.flip(0), torch.ones(4), (6, 6)).coalesce().to_sparse_csr()
    torch.manual_seed(0)
    expected = call(name, edges=EDGES[:, order])
    torch.manual_seed(0)
    found = call(name, edges=adjacency)
    if name == "model":
        expected, found = expected.pos, found.pos
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_model_reads_adj_t() -> None:
    model = IPALite(C, 8, 2, 4).eval()
    adjacency = torch.sparse_coo_tensor(EDGES.flip(0), torch.ones(4), (6, 6)).coalesce()
    order = (EDGES[1] * 6 + EDGES[0]).argsort()
    torch.testing.assert_close(model(Data(x=X, adj_t=adjacency)).pos, model(Data(x=X, edge_index=EDGES[:, order])).pos)


def test_places_that_fit_are_not_copied() -> None:
    """A copy of an expanded axis would sum its gradient in another order."""
    values = torch.randn(1, 3, 4).expand(5, -1, -1)
    assert checked_places(values, 4, torch.ones(1)) is values
