"""A gate logit of -inf leaves its edge out: the same in every layout, forward and backward."""

from __future__ import annotations

import copy

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.models import GateEGNN, IPALite
from pyg_gears.models.gate_smoothing import GateSmoothing
from pyg_gears.nn import AttentionBias, IPAConv
from pyg_gears.testing import random_graphs

GRAPH = random_graphs([11], 4)[0]
E = GRAPH.edge_index.size(1)


def gate(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn((E, 2) if kind == "heads" else (E,), generator=generator)
    masked = torch.rand(logits.shape, generator=generator) < (1.0 if kind == "all" else 0.6)
    if kind == "a node":
        masked = GRAPH.edge_index[1] == 4
    return logits.masked_fill(masked, -torch.inf)


def outputs(conv: IPAConv, logits: torch.Tensor, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """Results, and gradients of states, coordinates and logits."""
    leaves = [part.to(dtype).clone().requires_grad_() for part in (GRAPH.x, GRAPH.pos, logits)]
    found = conv(leaves[0], leaves[1], GRAPH.edge_index, leaves[2])
    return [*found, *torch.autograd.grad(found[0].sin().sum() + found[1].square().sum(), leaves)]


def conv(layout: str, **options: object) -> IPAConv:
    torch.manual_seed(0)
    built = IPAConv(4, heads=2, head_channels=4, layout=layout, **options)
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built


@pytest.mark.parametrize("kind", ["some", "a node", "heads", "all"])
@pytest.mark.parametrize("beta", [2.0, 0.0, -1.0])
def test_all_layouts_agree(kind: str, beta: float) -> None:
    logits = gate(kind)
    expected = outputs(conv("edge", beta=beta, geo="monotone"), logits)
    assert all(torch.isfinite(part).all() for part in expected)
    assert (expected[-1][logits.isneginf()] == 0).all()
    for layout in ("dense", "auto"):
        torch.testing.assert_close(
            outputs(conv(layout, beta=beta, geo="monotone"), logits), expected, atol=1e-5, rtol=1e-4
        )


def test_the_terms_of_an_infinite_pair_bias_are_the_finite_logits_that_attention_follows() -> None:
    pair, target = gate("heads"), GRAPH.edge_index[1]
    pair[target == 5, 0] = 1.0
    pair[(target == 5).nonzero()[0, 0], 0] = torch.inf
    *_, terms = conv("edge", geo="monotone")(GRAPH.x, GRAPH.pos, GRAPH.edge_index, pair_bias=pair, return_terms=True)
    total = terms.qk + terms.geo + terms.gate + terms.pair
    assert torch.isfinite(total).all()
    torch.testing.assert_close(terms.alpha[target == 5, 0], total[target == 5, 0].softmax(dim=0))


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("kind", ["some", "a node", "all"])
def test_it_is_as_if_the_edges_were_not_there(layout: str, kind: str) -> None:
    logits, module = gate(kind), conv(layout)
    kept = ~logits.isneginf()
    found = module(GRAPH.x, GRAPH.pos, GRAPH.edge_index, logits)
    expected = module(GRAPH.x, GRAPH.pos, GRAPH.edge_index[:, kept], logits[kept])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    if kind == "a node":
        assert torch.equal(found[1][4], GRAPH.pos[4])


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["some", "a node", "all"])
def test_half_precision(layout: str, dtype: torch.dtype, kind: str) -> None:
    found = outputs(conv(layout).to(dtype), gate(kind), dtype)
    expected = outputs(conv("edge"), gate(kind))
    assert all(torch.isfinite(part).all() for part in found)
    for a, b in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(a.float(), b, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_plus_infinity_takes_everything_and_nan_is_refused(layout: str) -> None:
    module, logits = conv(layout), torch.zeros(E)
    first = (GRAPH.edge_index[1] == 4).nonzero()[0]
    found = module(GRAPH.x, GRAPH.pos, GRAPH.edge_index, logits.index_fill(0, first, torch.inf))
    alone = (GRAPH.edge_index[1] != 4).index_fill(0, first, True)
    expected = module(GRAPH.x, GRAPH.pos, GRAPH.edge_index[:, alone], logits[alone])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(InputError, match=r"gate logits without NaN, found some; .* set it to -inf"):
        module(GRAPH.x, GRAPH.pos, GRAPH.edge_index, logits.index_fill(0, first, torch.nan))


def test_logits_are_floats() -> None:
    with pytest.raises(InputError, match=r"gate logits as floats, found torch\.int64; call \.float\(\)"):
        AttentionBias(GRAPH.edge_index, 11, gate_logits=torch.zeros(E, dtype=torch.long))


@pytest.mark.parametrize("kind", ["some", "a node", "all"])
def test_models_and_smoothing(kind: str) -> None:
    logits = gate(kind)
    kept = ~logits.isneginf()
    short = copy.copy(GRAPH)
    short.edge_index = GRAPH.edge_index[:, kept]
    torch.manual_seed(0)
    for model in (IPALite(4, 8, 2, 4), GateEGNN(4, 8)):
        model.eval()
        found, expected = model(GRAPH, gate_logits=logits).pos, model(short, gate_logits=logits[kept]).pos
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
        with pytest.raises(InputError, match="gate logits without NaN"):
            model(GRAPH, gate_logits=logits * torch.nan)
        assert model.train()(GRAPH, gate_logits=torch.full((E,), torch.nan)).pos.isnan().any()  # divergence shows
    moved, weight = GateSmoothing()(GRAPH.pos, AttentionBias(GRAPH.edge_index, 11, gate_logits=logits))
    assert (weight[~kept] == 0).all()
    torch.testing.assert_close(
        moved, GateSmoothing()(GRAPH.pos, AttentionBias(short.edge_index, 11, gate_logits=logits[kept]))[0]
    )
