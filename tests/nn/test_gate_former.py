from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, gelu, layer_norm
from torch_geometric import EdgeIndex

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.nn import gate_former, pair_mlp
from pyg_gears.nn.gate_former import GateFormer

N, C = 12, 5


def stated(gate: GateFormer, x: Tensor, edge_index: Tensor) -> Tensor:
    """The formulas as they are written, one edge and one node at a time."""
    edges = [(int(j), int(i)) for j, i in edge_index.T]
    kept = [k for k, (j, i) in enumerate(edges) if i != j]
    d = gate.hidden_channels

    def norm(v: Tensor) -> Tensor:
        return layer_norm(v, (d,))

    c = [gate.embed_norm(gate.embed_node(h)) for h in x]
    e = {}
    for k in kept:
        h_j, h_i = x[edges[k][0]], x[edges[k][1]]
        cosine = cosine_similarity(h_i, h_j, dim=0)[None]
        e[k] = norm(gate.embed_edge(torch.cat([h_i, h_j, (h_i - h_j).abs(), h_i * h_j, cosine])))
    for layer in gate.layers:
        w_q, w_k, w_v = layer.project.weight.view(3, gate.heads, d // gate.heads, d)
        updated = []
        for i, c_i in enumerate(c):
            entering = [k for k in kept if edges[k][1] == i]
            message = x.new_zeros(gate.heads, d // gate.heads)
            for h in range(gate.heads if entering else 0):
                logits = [
                    (w_q[h] @ c_i) @ (w_k[h] @ c[edges[k][0]]) / (d // gate.heads) ** 0.5
                    + layer.edge_bias.weight[h] @ e[k]
                    for k in entering
                ]
                alpha = torch.stack(logits).softmax(dim=0)
                message[h] = sum(a * (w_v[h] @ c[edges[k][0]]) for a, k in zip(alpha, entering, strict=True))
            middle = layer.norm(c_i + message.flatten())
            updated.append(middle + layer.update_node(middle))
        c = updated
        for k in kept:
            c_j, c_i = c[edges[k][0]], c[edges[k][1]]
            e[k] = norm(e[k] + layer.last(gelu(layer.first(torch.cat([e[k], c_i, c_j, c_i - c_j])))))
    g = [x.new_zeros(()) for _ in edges]
    for k in kept:
        c_j, c_i = c[edges[k][0]], c[edges[k][1]]
        raw = gate.read_last(gelu(gate.read_first(torch.cat([e[k], c_i, c_j]))))[0]
        b = gate.limit
        g[k] = raw.clamp(-b, b) if gate.bound == "clip" else b * torch.tanh(raw / b)
    return torch.stack(g) if g else x.new_zeros(0)


def graph(kind: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, C, generator=generator, dtype=torch.float64)
    x[4] = x[9]  # duplicates: |h_i - h_j| has its kink there
    edge_index = candidate_graph(x, k=3)
    if kind == "shuffled":
        edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    elif kind == "repeated":
        edge_index = torch.cat([edge_index, edge_index[:, :7]], dim=1)
    elif kind == "directed":
        edge_index = torch.randint(0, N - 2, (2, 40), generator=generator)
        edge_index = torch.unique(edge_index, dim=1).contiguous()  # the last two nodes have no edge
    elif kind == "loops":
        edge_index = torch.arange(N).repeat(2, 1)
    elif kind == "empty":
        edge_index = edge_index[:, :0]
    return x, edge_index


def make(dtype: torch.dtype = torch.float64, **options: float | str) -> GateFormer:
    torch.manual_seed(0)
    gate = GateFormer(C, 8, heads=2, **options)
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # away from ones and zeros
    return gate.to(dtype).eval()


@pytest.mark.parametrize("kind", ["symmetric", "shuffled", "repeated", "directed", "loops", "empty"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bound", ["clip", "tanh"])
def test_equals_its_statement_forward_and_backward(
    kind: str, dtype: torch.dtype, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(pair_mlp.CHUNK, "cpu", 16)  # several chunks, the last one short
    x, edge_index = graph(kind)
    weight = torch.randn(edge_index.size(1), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for evaluate, kind_of_number in ((None, dtype), (stated, torch.float64)):
        gate = make(kind_of_number, limit=1.5, bound=bound)
        leaf = x.to(kind_of_number).requires_grad_()
        output = gate(leaf, edge_index) if evaluate is None else evaluate(gate, leaf, edge_index)
        total = (output * weight.to(kind_of_number)).sum() + 0.0 * leaf.sum()
        gradient = torch.autograd.grad(total, [leaf, *gate.parameters()], allow_unused=True, materialize_grads=True)
        results.append((output.double(), [part.double() for part in gradient]))
    (ours, our_gradient), (plain, plain_gradient) = results
    tolerance = {"atol": 2e-4, "rtol": 1e-3} if dtype == torch.float32 else {"atol": 1e-11, "rtol": 1e-9}
    torch.testing.assert_close(ours, plain, **tolerance)
    torch.testing.assert_close(our_gradient, plain_gradient, **tolerance)


@pytest.mark.parametrize("padded", [True, False])
def test_both_layouts_of_the_attention(padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x, edge_index = graph("symmetric")
    calls = []
    attention = gate_former.dense_attention
    monkeypatch.setattr(gate_former, "dense_attention", lambda *args: calls.append(1) or attention(*args))
    if not padded:
        monkeypatch.setattr(gate_former, "pad_graphs", lambda *args, **options: None)
    gate = make()
    torch.testing.assert_close(gate(x, edge_index), stated(gate, x, edge_index), atol=1e-11, rtol=1e-9)
    assert len(calls) == (2 if padded else 0)


def test_gradcheck() -> None:
    gate = make()
    x, edge_index = graph("shuffled")
    x[4] += 0.1  # off the kink
    edge_index = edge_index[:, (edge_index < 6).all(dim=0)]
    names = [name for name, _ in gate.named_parameters()]

    def f(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(gate, dict(zip(names, parameters, strict=True)), (x, edge_index))

    given = [x[:6].clone().requires_grad_(), *(p.detach().clone().requires_grad_() for p in gate.parameters())]
    assert torch.autograd.gradcheck(f, given, fast_mode=True)


def test_a_zero_vector_has_finite_gradients() -> None:
    x, edge_index = graph("symmetric")
    x[3] = 0
    x.requires_grad_()
    gate = make()
    gate(x, edge_index).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[3].abs().max() < 1e3


def test_the_embedding_may_be_frozen() -> None:
    gradients = []
    for leaf in (True, False):
        gate = make()
        x, edge_index = graph("symmetric")
        gate(x.requires_grad_(leaf), edge_index).square().sum().backward()
        gradients.append([parameter.grad for parameter in gate.parameters()])
        assert (x.grad is not None) == leaf
    torch.testing.assert_close(*gradients)


def test_self_loops_are_neutral() -> None:
    x, edge_index = graph("symmetric")
    gate = make()
    is_loop = edge_index[0] == edge_index[1]
    assert is_loop.any()
    logits = gate(x, edge_index)
    assert (logits[is_loop] == 0).all()
    assert (logits[~is_loop] != 0).all()
    torch.testing.assert_close(gate(x, edge_index[:, ~is_loop]), logits[~is_loop])


def test_an_edge_knows_its_context() -> None:
    x, edge_index = graph("symmetric")
    kept = ~((edge_index == 0).any(dim=0) & (edge_index == int(edge_index[0, edge_index[1] == 0].max())).any(dim=0))
    gate = make()
    assert not kept.all()
    assert not torch.allclose(gate(x, edge_index)[kept], gate(x, edge_index[:, kept]))
    assert not torch.allclose(gate(x, edge_index), gate(x, edge_index.flip(0)))


@pytest.mark.parametrize("bound", ["clip", "tanh"])
def test_the_limit_bounds_and_tanh_keeps_a_gradient(bound: str) -> None:
    x, edge_index = graph("symmetric")
    gate = make(limit=0.5, bound=bound)
    with torch.no_grad():
        gate.read_last.weight.mul_(0.1)
        gate.read_last.bias.fill_(2.0)  # every logit is beyond the limit
    logits = gate(x, edge_index)
    assert (logits.abs() <= 0.5).all()
    logits.sum().backward()
    assert (gate.read_last.weight.grad != 0).all() == (bound == "tanh")
    gate.limit = 1e9
    torch.testing.assert_close(gate(x, edge_index), make_like(gate, "clip")(x, edge_index))


def make_like(gate: GateFormer, bound: str) -> GateFormer:
    other = GateFormer(C, 8, heads=2, limit=1e9, bound=bound).double().eval()
    other.load_state_dict(gate.state_dict())
    return other


def test_parameter_count() -> None:
    count = sum(p.numel() for p in GateFormer(128).parameters())
    assert 100_000 <= count <= 300_000
    assert count == 126_657
    assert f"{count:,} parameters" in (GateFormer.__doc__ or "")


def test_permutation_equivariance() -> None:
    x, edge_index = graph("symmetric")
    gate = make()
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    torch.testing.assert_close(gate(x[order], place[edge_index]), gate(x, edge_index), atol=1e-11, rtol=1e-9)


def test_batched_equals_unbatched() -> None:
    gate = make()
    graphs = [torch.randn(n, C, generator=torch.Generator().manual_seed(n), dtype=torch.float64) for n in (5, 1, 17)]
    alone = [gate(x, candidate_graph(x, 4)) for x in graphs]
    batch = torch.repeat_interleave(torch.arange(3), torch.tensor([5, 1, 17]))
    together = torch.cat(graphs)
    edge_index = candidate_graph(together, 4, batch=batch)
    for membership in (batch, None):  # without it one large graph, whose parts do not see each other
        logits = gate(together, edge_index, membership)
        torch.testing.assert_close(logits, torch.cat(alone), atol=1e-11, rtol=1e-9)


def test_the_batch_tells_how_to_lay_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    padded = []
    original = gate_former.pad_graphs
    monkeypatch.setattr(gate_former, "pad_graphs", lambda *a, **k: padded.append(original(*a, **k)) or padded[-1])
    batch = torch.repeat_interleave(torch.arange(5), 8)
    x = torch.randn(40, C, dtype=torch.float64)
    x[8:16] = x[:8]  # connected or not: a batch whose edges alone would not tell its graphs
    edge_index = candidate_graph(x, 4, batch=batch)
    make()(x, edge_index, batch)
    assert (padded[0].num_graphs, padded[0].size) == (5, 8)


def test_dropout_is_drawn_in_training_only_and_from_the_seed() -> None:
    x, edge_index = graph("symmetric")
    gate = make(dropout=0.5)

    def draw(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return gate(x, edge_index)

    assert torch.equal(draw(0), draw(1))
    gate.train()
    assert torch.equal(draw(0), draw(0))
    assert not torch.allclose(draw(0), draw(1))
    gate.dropout = 0.0  # the messages' share; that of the node update remains
    assert not torch.allclose(draw(0), draw(1))


def test_compiles_as_one_graph_for_all_sizes() -> None:
    torch._dynamo.reset()
    gate = make()
    compiled = torch.compile(gate, fullgraph=True, dynamic=True, backend="eager")

    def run(module: torch.nn.Module, given: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        logits = module(*given)
        total = (logits * torch.linspace(-1, 1, logits.numel(), dtype=torch.float64)).sum()
        return logits, *torch.autograd.grad(total, list(gate.parameters()))

    first, second = graph("symmetric"), (graph("directed")[0][:11], graph("directed")[1])
    torch.testing.assert_close(run(compiled, first), run(gate, first), atol=1e-10, rtol=1e-8)
    with torch.compiler.set_stance("fail_on_recompile"):
        torch.testing.assert_close(run(compiled, second), run(gate, second), atol=1e-10, rtol=1e-8)


def test_accepts_edge_index() -> None:
    x, edge_index = graph("symmetric")
    gate = make()
    output = gate(x, EdgeIndex(edge_index, sparse_size=(N, N), sort_order="col"))
    assert type(output) is Tensor
    assert torch.equal(output, gate(x, edge_index))


def test_bad_input_and_reset() -> None:
    for options, found in (
        ({"heads": 3}, "even and a multiple of heads, found 64 and 3"),
        ({"hidden_channels": 5, "heads": 1}, "even and a multiple of heads, found 5 and 1"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), found 1.0"),
        ({"limit": 0.0}, "positive limit, found 0.0"),
        ({"bound": "hard"}, "bound clip or tanh, found 'hard'"),
    ):
        with pytest.raises(InputError, match=found):
            GateFormer(6, **options)
    gate = make()
    with pytest.raises(InputError, match="5 channels, found 4"):
        gate(torch.randn(3, 4), torch.tensor([[0], [1]]))
    before = [parameter.clone() for parameter in gate.parameters()]
    gate.reset_parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, gate.parameters(), strict=True))
    assert repr(gate) == "GateFormer(5, hidden_channels=8, heads=2, layers=2)"
