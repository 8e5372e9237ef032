from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm
from torch_geometric.data import Data

from pyg_gears.geometry import gauge_fix
from pyg_gears.models import IPAR, IPALite, TopoIPAR, recycling
from pyg_gears.models.recycling import blocks_of
from pyg_gears.nn import pad_graphs

Build = Callable[..., Any]
Graph = Callable[..., Data]
MODES = ("learned", "uniform_after_first", "gate_only_after_first")


def schedule(model: Any, r: int) -> tuple[float | Tensor, float | Tensor, bool]:
    """Gate weight, step size and geometry of round r, as the models' pages say."""
    if isinstance(model, IPAR):
        return model.gate_weight[r].clamp(0, 2.5), 2 * model.step * model.raw_step[r].sigmoid(), True
    first = 0.6 if isinstance(model, TopoIPAR) and r == 0 else 1.0
    return 2.0, first * model.blocks[0].step, r >= model.geo_from


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
    pair = None if getattr(model, "pair", None) is None else model.pair(x, data.edge_index)
    s, pos = model.embed_state(x), gauge_fix(model.embed_pos(x))
    trajectory = []
    for r in range(model.recycles):
        block = model.blocks[r % len(model.blocks)]
        weight, step, speaks = schedule(model, r)
        z = block.norm(s)
        q, k, v = block.project(z).view(n, 3, block.heads, block.head_channels).unbind(dim=1)
        move, received = torch.zeros_like(pos), []
        for h in range(block.heads):
            gated = beta / 2 * weight * full(gate, h)
            if r > 0 and attention != "learned":
                logits = gated if attention == "gate_only_after_first" else torch.zeros_like(gated)
            else:
                left, right = q[:, h], k[:, h]
                if block.qk_norm:
                    left, right = (layer_norm(part, part.shape[1:]) for part in (left, right))
                    left = left * block.tau[h].clamp(*block.tau_range)
                logits = left @ right.T / block.head_channels**0.5 + gated
                if pair is not None:
                    logits = logits + full(pair, h)
                if speaks and block.geometry is not None:
                    logits = logits + full(block.geometry(z, pos, data.edge_index), h)
            alpha = logits.masked_fill(~edge, -torch.inf).softmax(dim=1).nan_to_num()
            received.append(alpha @ v[:, h])
            move = move + (alpha @ pos - alpha.sum(dim=1, keepdim=True) * pos) @ block.frame_weight[h].T
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
        assert not torch.allclose(outputs[mode].trajectory[1], learned.trajectory[1])
        assert torch.equal(outputs[mode].terms[0].qk, learned.terms[0].qk)
        for terms in outputs[mode].terms[1:]:
            assert all((term == 0).all() for term in (terms.qk, terms.geo, terms.pair))
            assert (terms.gate == 0).all() == (mode == "uniform_after_first")
    share = (1 / target.bincount()[target]).double()[:, None].expand(-1, 2)
    torch.testing.assert_close(outputs["uniform_after_first"].terms[-1].alpha, share)
    # Without a gate, nothing decides.
    bare = model(data, use_gate=False, attention="gate_only_after_first", return_terms=True)
    torch.testing.assert_close(bare.terms[-1].alpha, share)


def test_rounds_that_share_a_bias_are_laid_out_once(
    build: Build, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out = []

    def counted(*arguments: Any, **options: Any) -> Any:
        laid_out.append(padded := pad_graphs(*arguments, **options))
        return padded

    monkeypatch.setattr(recycling, "pad_graphs", counted)
    model = build(layout="dense")
    biases = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, __, options: biases.append(options["padded"].bias), with_kwargs=True)
    model(graph(14, 3))
    assert len(laid_out) == 1
    assert len({id(bias) for bias in biases}) == (model.recycles if isinstance(model, IPAR) else 1)
    biases.clear()
    model(graph(14, 3), use_gate=False)
    assert len({id(bias) for bias in biases}) == 1


def test_blocks_of_every_round() -> None:
    shared, own = IPALite(4), IPALite(4, shared=False, recycles=3)
    assert all(block is shared.blocks[0] for block in blocks_of(shared.blocks, 5))
    assert all(a is b for a, b in zip(blocks_of(own.blocks, 3), own.blocks, strict=True))
