from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.nn import AttentionBias, IPAConv, attention_bias

EDGES = torch.tensor([[0, 1, 2, 4], [1, 0, 0, 5]])
BATCH = torch.tensor([0, 0, 0, 1, 2, 2])
GATE, PAIR = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.arange(8.0).view(4, 2)


def written_out(edge: int, head: int, gate: torch.Tensor | None, pair: torch.Tensor | None, beta: float) -> float:
    total = 0.0
    if gate is not None:
        total += beta * float(gate[edge] if gate.dim() == 1 else gate[edge, head])
    return total + (0.0 if pair is None else float(pair[edge, head]))


@pytest.mark.parametrize("pair", [None, PAIR])
@pytest.mark.parametrize("gate", [None, GATE, torch.stack([GATE, -GATE], dim=1)])
def test_one_sum_on_the_edges_and_in_the_padded_graphs(gate: torch.Tensor | None, pair: torch.Tensor | None) -> None:
    bias = AttentionBias(EDGES, 6, BATCH, gate, pair, beta=0.5)
    logits = bias.logits(torch.float32)
    assert (logits is None) == (gate is None and pair is None)
    graphs = bias.padded(auto=False)
    dense = bias.dense(graphs, torch.float32).expand(-1, 2, -1, -1)
    expected = torch.full((3, 2, 3, 3), -1e30)
    for e, (j, i) in enumerate(EDGES.T.tolist()):
        graph, first = int(BATCH[i]), int((BATCH[i] == BATCH).nonzero()[0])
        for h in range(2):
            expected[graph, h, i - first, j - first] = written_out(e, h, gate, pair, 0.5)
            if logits is not None:
                assert float(logits.expand(-1, 2)[e, h]) == pytest.approx(written_out(e, h, gate, pair, 0.5))
    torch.testing.assert_close(dense, expected)


def test_edges_that_are_not_kept_are_masked() -> None:
    kept = torch.tensor([True, False, True, True])
    for gate in (GATE, None):
        bias = AttentionBias(EDGES, 6, BATCH, gate, kept=kept)
        assert (bias.logits(torch.float32)[~kept] == -torch.inf).all()
        assert torch.equal(
            bias.logits(torch.float64)[kept, 0], (torch.zeros(4) if gate is None else gate)[kept].double()
        )
        assert torch.isfinite(bias.dense(bias.padded(auto=False), torch.float16)).all()


def test_the_layout_is_found_once_and_shared_by_biases_on_the_same_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = attention_bias.pad_graphs
    monkeypatch.setattr(attention_bias, "pad_graphs", lambda *a, **k: calls.append(1) or original(*a, **k))
    bias = AttentionBias(EDGES, 6, BATCH, GATE)
    other = replace(bias, beta=3.0, pair_bias=PAIR)
    graphs = bias.padded(auto=True)
    assert other.padded(auto=True) is graphs
    assert len(calls) == 1
    assert bias.dense(graphs, torch.float32) is bias.dense(graphs, torch.float32)
    fresh = AttentionBias(EDGES, 6, BATCH, GATE, PAIR, beta=3.0)
    assert torch.equal(other.dense(graphs, torch.float32), fresh.dense(graphs, torch.float32))


def test_gradients_reach_gate_pair_and_weight() -> None:
    gate, pair, beta = (
        GATE.clone().requires_grad_(),
        PAIR.clone().requires_grad_(),
        torch.tensor(2.0, requires_grad=True),
    )
    bias = AttentionBias(EDGES, 6, BATCH, gate, pair, beta)
    dense = bias.dense(bias.padded(auto=False), torch.float32)
    dense.clamp(min=-1e6).sum().backward()
    assert gate.grad.tolist() == [4.0] * 4  # two heads, beta = 2
    assert (pair.grad == 1).all()
    assert beta.grad.item() == 2 * GATE.sum().item()


def test_what_is_no_batch_and_no_mask_is_refused() -> None:
    for batch in (BATCH[:4], BATCH.float()):
        with pytest.raises(InputError, match="batch to number the graph of each of 6 nodes, found a torch"):
            AttentionBias(EDGES, 6, batch)
    with pytest.raises(InputError, match="a batch that ascends from 0"):
        AttentionBias(EDGES, 6, BATCH.flip(0))
    for kept in (torch.tensor([True]), torch.ones(4), [True] * 4):
        with pytest.raises(InputError, match=r"kept as a boolean mask of 4 edges, found .*; mark every edge"):
            AttentionBias(EDGES, 6, kept=kept)
    assert AttentionBias(EDGES, 6, BATCH.int()).batch.dtype == torch.long


def test_terms_of_other_edges_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"gate logits for the 4 edges of the graph in use, found 3: .* another support"
    ):
        AttentionBias(EDGES, 6, BATCH, GATE[:3])
    with pytest.raises(InputError, match="a pair bias for the 4 edges of the graph in use, found 2"):
        AttentionBias(EDGES, 6, BATCH, GATE, PAIR[:2])
    with pytest.raises(InputError, match="gate logits as a tensor with a row an edge, found list; pass one"):
        AttentionBias(EDGES, 6, BATCH, GATE.tolist())
    with pytest.raises(
        InputError, match=r"a pair bias as a tensor with a row an edge, found a torch\.float32 tensor of shape \(\)"
    ):
        AttentionBias(EDGES, 6, BATCH, GATE, torch.tensor(1.0))


def test_reached_names_nodes_only_where_one_is_left_out() -> None:
    ring = torch.tensor([[0, 1, 2], [1, 2, 0]])
    assert AttentionBias(ring, 3, gate_logits=torch.zeros(3)).reached() is None
    left_out = AttentionBias(ring, 3, gate_logits=torch.tensor([0.0, -torch.inf, 0.0])).reached()
    assert left_out.flatten().tolist() == [True, True, False]
    assert AttentionBias(ring, 4, gate_logits=torch.zeros(3)).reached().flatten().tolist() == [True, True, True, False]


def test_terms_follow_the_values_given() -> None:
    bias, state = AttentionBias(EDGES, 6, BATCH, GATE, PAIR, beta=3.0), torch.ones(6, 1)
    first, gate, pair = bias.with_terms(state)
    assert first is state
    assert torch.equal(gate, bias.gate)
    assert torch.equal(pair, bias.pair)


@pytest.mark.parametrize("layout", ["edge", "dense", "auto"])
def test_a_bias_of_another_graph_is_refused(layout: str) -> None:
    conv, s, pos = IPAConv(4, heads=2, head_channels=2, layout=layout), torch.randn(6, 4), torch.randn(6, 2)
    conv(s, pos, EDGES.clone(), bias=AttentionBias(EDGES, 6, BATCH, GATE))
    with pytest.raises(InputError, match="expected a bias of the 6 nodes and 4 edges given, found one of 7 and 4"):
        conv(s, pos, EDGES, bias=AttentionBias(EDGES, 7, None, GATE))
    with pytest.raises(InputError, match="expected a bias of the 6 nodes and 3 edges given, found one of 6 and 4"):
        conv(s, pos, EDGES[:, :3], bias=AttentionBias(EDGES, 6, BATCH, GATE))
    with pytest.raises(InputError, match="found one of other edges or of another order; build it on these"):
        conv(s, pos, EDGES.flip(1), bias=AttentionBias(EDGES, 6, BATCH, GATE))


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_a_call_without_gradients_takes_none_from_the_next(layout: str) -> None:
    torch.manual_seed(0)
    conv, s, pos = IPAConv(4, heads=2, head_channels=2, layout=layout), torch.randn(6, 4), torch.randn(6, 2)
    for parameter in conv.parameters():
        torch.nn.init.normal_(parameter)
    edges, gate = torch.cat([EDGES, EDGES.new_tensor([[2], [1]])], dim=1), torch.randn(5, requires_grad=True)
    bias = AttentionBias(edges, 6, BATCH, gate)
    with torch.no_grad():
        conv(s, pos, edges, bias=bias)
    conv(s, pos, edges, bias=bias)[0].sum().backward()
    assert gate.grad.abs().sum() > 0
