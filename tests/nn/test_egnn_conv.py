from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.nn import EGNNConv
from pyg_gears.testing import (
    assert_batched_equals_single,
    assert_coordinate_equivariant,
    assert_permutation_equivariant,
    random_graphs,
)

C = 5


def layer(**options: float) -> EGNNConv:
    """A layer away from its start."""
    torch.manual_seed(0)
    conv = EGNNConv(C, 7, **options)
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return conv.double()


def example() -> dict[str, Tensor]:
    """Two coinciding nodes, one that nothing enters, one that only its self-loop enters, a repeated edge."""
    generator = torch.Generator().manual_seed(1)
    s, pos = (torch.randn(9, c, generator=generator, dtype=torch.float64) for c in (C, 2))
    s[3], pos[3] = s[5], pos[5]
    edge_index = torch.randint(0, 9, (2, 30), generator=generator)
    source, target = edge_index
    edge_index = edge_index[:, (target != 2) & ((target != 1) | (source == 1))]
    edge_index = torch.cat([edge_index, torch.tensor([[1, 3, 5, 5], [1, 5, 3, 3]])], dim=1)
    weight = torch.rand(edge_index.size(1), generator=generator, dtype=torch.float64)
    return {"s": s, "pos": pos, "edge_index": edge_index, "edge_weight": weight}


def oracle(
    conv: EGNNConv, s: Tensor, pos: Tensor, edge_index: Tensor, edge_weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The equations, edge by edge."""
    new_s, new_pos = s.clone(), pos.clone()
    for i in range(s.size(0)):
        incoming = (edge_index[1] == i).nonzero().flatten().tolist()
        received, shift = torch.zeros(conv.hidden_channels, dtype=s.dtype), torch.zeros(2, dtype=s.dtype)
        for e in incoming:
            j = int(edge_index[0, e])
            w = 1 / len(incoming) if edge_weight is None else edge_weight[e]
            square = ((pos[i] - pos[j]) ** 2).sum()
            hidden = conv.as_target.weight @ s[i] + conv.as_target.bias + conv.as_source.weight @ s[j]
            message = conv.edge(hidden + conv.by_distance.weight[:, 0] * square)
            received = received + w * message
            shift = shift + w * conv.move(message) * (pos[j] - pos[i])
        new_pos[i] = pos[i] + conv.step * shift
        new_s[i] = s[i] + conv.update_state(torch.cat([s[i], received]))
    return new_s, new_pos


@pytest.mark.parametrize("weighted", [True, False])
def test_equals_the_equations(weighted: bool) -> None:
    given, conv = example(), layer(step=0.7)
    if not weighted:
        given["edge_weight"] = None
    torch.testing.assert_close(conv(**given), oracle(conv, **given), atol=1e-12, rtol=1e-12)


def test_gradcheck_and_coinciding_nodes() -> None:
    given, conv = example(), layer()
    edges = given["edge_index"]
    leaves = [given[name].requires_grad_() for name in ("s", "pos", "edge_weight")]
    assert torch.autograd.gradcheck(lambda s, pos, weight: conv(s, pos, edges, weight), leaves)
    conv(**given)[1].square().sum().backward()
    assert torch.isfinite(given["pos"].grad).all()


def test_properties_of_the_kit() -> None:
    conv = layer()
    graphs = random_graphs([12, 1, 20], C, dtype=torch.float64)

    def moved(graph: Data) -> Tensor:
        return torch.cat(conv(graph.x, graph.pos, graph.edge_index), dim=1)

    assert_permutation_equivariant(moved, graphs[0], tol=1e-10)
    assert_batched_equals_single(moved, graphs, tol=1e-10)
    graph = graphs[2]
    for part, equivariant in ((0, False), (1, True)):
        assert_coordinate_equivariant(
            lambda pos, part=part: conv(graph.x, pos, graph.edge_index)[part],
            graph.pos,
            allow_reflection=True,
            invariant=not equivariant,
            tol=1e-9,
        )


def test_lonely_nodes_stay_and_any_dimension_will_do() -> None:
    given, conv = example(), layer()
    s, pos = conv(**given)
    assert torch.equal(pos[1:3], given["pos"][1:3])  # nothing enters node 2, only itself node 1
    assert not torch.equal(pos[0], given["pos"][0])
    flat = torch.cat([given["pos"], torch.zeros(9, 1, dtype=torch.float64)], dim=1)
    in_space = conv(given["s"], flat, given["edge_index"], given["edge_weight"])
    torch.testing.assert_close(in_space[0], s)
    torch.testing.assert_close(in_space[1][:, :2], pos)
    assert (in_space[1][:, 2] == 0).all()
    empty = torch.empty(2, 0, dtype=torch.long)
    assert torch.equal(conv(given["s"], given["pos"], empty)[1], given["pos"])


def test_a_new_layer_is_the_identity_and_can_learn() -> None:
    given = {name: value.float() if value.is_floating_point() else value for name, value in example().items()}
    conv = EGNNConv(C)
    s, pos = conv(**given)
    assert torch.equal(s, given["s"])
    assert torch.equal(pos, given["pos"])
    (pos.square().sum() + s.square().sum()).backward()
    assert conv.move[-1].weight.grad.abs().max() > 0
    assert conv.update_state[-1].weight.grad.abs().max() > 0
    for parameter in conv.parameters():
        torch.nn.init.constant_(parameter, 3.0)
    conv.reset_parameters()
    assert not any((parameter == 3.0).any() for parameter in conv.parameters())
    assert torch.equal(conv(**given)[1], given["pos"])


def test_compiled_equals_eager_and_edge_index_is_accepted() -> None:
    given, conv = example(), layer()
    torch._dynamo.reset()
    compiled = torch.compile(conv, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(**given), conv(**given))
    wrapped = EdgeIndex(given["edge_index"], sparse_size=(9, 9))
    found = conv(given["s"], given["pos"], wrapped, given["edge_weight"])
    assert type(found[0]) is Tensor
    torch.testing.assert_close(found, conv(**given), atol=0, rtol=0)


def test_bad_input() -> None:
    given = example()
    with pytest.raises(
        InputError, match=r"one weight for each of the \d+ edges, found a torch\.float64 tensor of shape \(\d+, 1\)"
    ):
        layer()(given["s"], given["pos"], given["edge_index"], given["edge_weight"][:, None])
    with pytest.raises(InputError, match=r"one weight for each of the \d+ edges, found list; compute"):
        layer()(given["s"], given["pos"], given["edge_index"], given["edge_weight"].tolist())
    assert repr(layer()) == "EGNNConv(5, hidden_channels=7, step=1)"
