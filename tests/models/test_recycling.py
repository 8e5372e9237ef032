from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.models import IPAR, IPALite, TopoIPAR
from pyg_gears.nn import PaddedGraphs, attention_bias

Build = Callable[..., Any]
Graph = Callable[..., Data]
MODES = ("learned", "uniform_after_first", "gate_only_after_first")


def schedule(model: Any, r: int) -> tuple[float | Tensor, float | Tensor, bool]:
    """Gate weight, step size and geometry of round r, as the models' pages say."""
    if isinstance(model, IPAR):
        return model.gate_weight[r].clamp(0, 2.5), model.steps.theta[r].sigmoid(), True
    step = model.steps.theta[r].sigmoid() if isinstance(model, TopoIPAR) else model.blocks[0].step
    return 2.0, step, r >= model.geo_from


def mode_of(model: Any, attention: str, r: int) -> str:
    """What decides in round r: everything, the gate alone, nothing, or smoothing."""
    if r == 0:
        return "learned"
    if attention == "gate_only_after_first" and getattr(model, "attention", "") == "uniform_after_first":
        return "uniform"  # there was no gate in these rounds
    if attention != "learned" and getattr(model, "smoothing", None) is None:
        return attention.removesuffix("_after_first")
    built = getattr(model, "attention", "learned")
    if built == "smoothing_after_first":
        return "smoothing, uniform" if attention == "uniform_after_first" else "smoothing"
    return "uniform" if built == "uniform_after_first" else "learned"


def statement(model: Any, data: Data, attention: str, beta: float, scale: float) -> list[Tensor]:
    """The whole model in full n x n matrices, head by head."""
    x, (source, target) = data.x, data.edge_index
    n = x.size(0)
    edge = torch.zeros(n, n, dtype=torch.bool)
    edge[target, source] = True

    def full(values: Tensor, head: int) -> Tensor:
        column = values if values.dim() == 1 else values[:, head]
        return torch.zeros(n, n, dtype=x.dtype).index_put((target, source), column)

    gate = model.gate(x, data.edge_index)
    best = edge.clone()
    if getattr(model, "attention", "") == "hard_gate":
        mean = full(gate if gate.dim() == 1 else gate.mean(dim=1), 0)
        for i in range(n):
            ranked = sorted((j for j in range(n) if edge[i, j] and i != j), key=lambda j, i=i: -float(mean[i, j]))
            best[i] = edge[i] & (torch.arange(n) == i)
            best[i, ranked[:3]] = True
    pair = None if getattr(model, "pair", None) is None else model.pair(x, data.edge_index)
    heads, s, pos = model.blocks[0].heads, model.embed_state(x), gauge_fix(model.embed_pos(x))
    trajectory = []
    for r in range(model.recycles):
        block = model.blocks[r % len(model.blocks)]
        weight, step, present = schedule(model, r)
        mode = mode_of(model, attention, r)
        seen = best if mode == "learned" else edge
        z = block.norm(s)
        parts = block.project(z).view(n, -1, heads, block.head_channels)
        v, move, received, mean = parts[:, -1], torch.zeros_like(pos), [], torch.zeros(n, n, dtype=x.dtype)
        for h in range(heads):
            logits = torch.zeros(n, n, dtype=x.dtype)
            if mode not in ("uniform", "smoothing, uniform"):
                logits = beta / 2 * weight * full(gate, h)
            if mode == "learned":
                if block.qk != "none":
                    left, right = parts[:, 0, h], parts[:, 1, h]
                    if block.qk != "plain":
                        left, right = (layer_norm(part, part.shape[1:]) for part in (left, right))
                        left = left * block.temperature.expand(heads)[h]
                    product = left @ right.T
                    if block.qk in ("plain", "divided"):
                        product = product / block.head_channels**0.5
                    if block.qk_clip is not None:
                        product = product.clamp(-10, 10)
                    logits = logits + product
                if pair is not None:
                    mine = pair[:, heads * r : heads * (r + 1)] if isinstance(model, IPAR) else pair
                    logits = logits + full(mine, h)
                if present and block.geometry is not None:
                    logits = logits + full(block.geometry(z, pos, data.edge_index), h)
            alpha = logits.masked_fill(~seen, -torch.inf).softmax(dim=1).nan_to_num()
            mean = mean + alpha / heads
            received.append(alpha @ v[:, h])
            move = move + (alpha @ pos - alpha.sum(dim=1, keepdim=True) * pos) @ block.frame_weight[h].T
        if mode.startswith("smoothing"):
            share = scale * model.smoothing.raw_share.sigmoid()
            pos = gauge_fix(pos + share * (mean @ pos - mean.sum(dim=1, keepdim=True) * pos))
        else:
            s = s + block.update_state(torch.cat([z, *received], dim=1))
            pos = gauge_fix(pos + scale * step * move)
        trajectory.append(pos)
    return trajectory


@pytest.mark.parametrize("attention", MODES)
@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_equals_the_statement(build: Build, graph: Graph, layout: str, attention: str) -> None:
    data, model = graph(14, 3), build(layout=layout)
    with torch.no_grad():
        for beta, scale in ((2.0, 1.0), (1.3, 0.4)):
            expected = statement(model, data, attention, beta, scale)
            found = model(data, beta=beta, step_scale=scale, attention=attention)
            torch.testing.assert_close(list(found.trajectory), expected, atol=1e-8, rtol=1e-8)


def test_interventions_begin_at_the_second_recycle(build: Build, graph: Graph) -> None:
    data, model = graph(14, 3), build()
    outputs = {mode: model(data, attention=mode, return_terms=True) for mode in MODES}
    learned = outputs["learned"]
    target = data.edge_index[1]
    for mode in MODES[1:]:
        torch.testing.assert_close(outputs[mode].trajectory[0], learned.trajectory[0])
        assert torch.equal(outputs[mode].terms[0].qk, learned.terms[0].qk)
        for terms in outputs[mode].terms[1:]:
            assert all((term == 0).all() for term in (terms.qk, terms.geo, terms.pair))
            none = mode == "uniform_after_first" or getattr(model, "attention", "") == "uniform_after_first"
            assert (terms.gate == 0).all() == none
    share = (1 / target.bincount()[target]).double()[:, None].expand(-1, 2)
    torch.testing.assert_close(outputs["uniform_after_first"].terms[-1].alpha, share)
    # Without a gate, all edges weigh the same.
    bare = model(data, use_gate=False, attention="gate_only_after_first", return_terms=True)
    torch.testing.assert_close(bare.terms[-1].alpha, share)
    with pytest.raises(
        InputError, match="attention among learned, uniform_after_first, gate_only_after_first, found 'x'"
    ):
        model(data, attention="x")


def test_edges_are_laid_out_once_and_a_shared_bias_too(
    build: Build, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out, spread = [], []
    pad, spread_out = attention_bias.pad_graphs, PaddedGraphs.spread
    monkeypatch.setattr(attention_bias, "pad_graphs", lambda *a, **k: laid_out.append(1) or pad(*a, **k))
    model = build(layout="dense")
    if not isinstance(model, TopoIPAR):  # its gate lays out features of its own
        monkeypatch.setattr(PaddedGraphs, "spread", lambda *a: spread.append(1) or spread_out(*a))
    for mode, rounds in (("learned", 1), ("uniform_after_first", 2), ("gate_only_after_first", 2)):
        laid_out.clear()
        spread.clear()
        model(graph(14, 3), attention=mode)
        assert len(laid_out) == 1
        if isinstance(model, IPAR):
            assert len(spread) == model.recycles
        elif spread:
            assert len(spread) <= rounds + (getattr(model, "attention", "") == "uniform_after_first")


def test_the_block_of_every_round() -> None:
    shared, own = IPALite(4), IPALite(4, shared=False, recycles=3)
    assert all(shared.block(r) is shared.blocks[0] for r in range(5))
    assert all(own.block(r) is own.blocks[r] for r in range(3))
