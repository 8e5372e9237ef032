from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPAR
from pyg_gears.nn import EdgeGate


def data() -> Data:
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    return Data(x=x, edge_index=candidate_graph(x, 5))


def test_schedules_of_the_rounds() -> None:
    assert IPAR(4).gate_weights.tolist() == [0.5, 1.5, 2.0]
    assert IPAR(4, recycles=5).gate_weights.tolist() == [0.5, 1.0, 1.5, 1.75, 2.0]
    assert IPAR(4, recycles=1).gate_weights.tolist() == [2.0]
    model = IPAR(4)
    assert model.steps().tolist() == pytest.approx([0.2] * 3)
    assert [block.temperature.item() for block in model.blocks] == pytest.approx([2.0] * 3)
    with torch.no_grad():
        model.gate_weight.copy_(torch.tensor([-1.0, 1.0, 9.0]))
        for block, raw in zip(model.blocks, (-5.0, 1.0, 9.0), strict=True):
            block.log_tau.fill_(raw)
    assert model.gate_weights.tolist() == [0.0, 1.0, 2.5]
    assert [block.temperature.item() for block in model.blocks] == pytest.approx([1.0, 2.718282, 10.0])


def test_without_fights() -> None:
    model = IPAR(8, fights=False)
    assert model.pair is None
    names = {name for name, _ in model.named_parameters()}
    assert not [name for name in names if "tau" in name or "gate_weight" in name or "pair" in name]
    assert model.gate_weights.tolist() == [2.0] * 3
    assert all(block.temperature.tolist() == [1.0] * 4 for block in model.blocks)
    assert [block.qk_clip for block in model.blocks] == [10.0, None, None]
    for block in model.blocks:
        torch.nn.init.normal_(block.project.weight, std=3.0)
        block.norm.bias.data.normal_()
    terms = model(data(), return_terms=True).terms
    assert float(terms[0].qk.abs().max()) == 10.0
    assert all(float(term.qk.abs().max()) > 10.0 for term in terms[1:])
    assert all((term.pair == 0).all() for term in terms)


def test_geometry_takes_part_in_the_last_round_only() -> None:
    for recycles in (1, 3):
        terms = IPAR(8, recycles=recycles)(data(), return_terms=True).terms
        assert [bool((term.geo != 0).any()) for term in terms] == [False] * (recycles - 1) + [True]
    assert all((term.geo == 0).all() for term in IPAR(8, geo="none")(data(), return_terms=True).terms)


def test_gate_weights_and_pair_are_in_the_logits() -> None:
    model = IPAR(8, gate=EdgeGate(8, heads=4))
    torch.nn.init.normal_(model.pair.last.weight)
    output = model(data(), return_terms=True)
    assert output.gate_logits.shape == (data().edge_index.size(1), 4)
    pairs = model.pair(data().x, data().edge_index)
    for r, (term, weight) in enumerate(zip(output.terms, (0.5, 1.5, 2.0), strict=True)):
        torch.testing.assert_close(term.gate, weight * output.gate_logits)
        torch.testing.assert_close(term.pair, pairs[:, 4 * r : 4 * r + 4])  # a projection of its own in every round


def test_a_new_model_starts_at_its_guess_and_can_learn() -> None:
    torch.manual_seed(0)
    model = IPAR(8, hidden_channels=24, heads=2, head_channels=8, noise=0.0)
    output = model(data())
    torch.testing.assert_close(output.pos, output.initial, atol=1e-5, rtol=1e-5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-2)
    goal, losses = gauge_fix(data().x[:, :2]), []
    for _ in range(50):
        optimiser.zero_grad()
        loss = (model(data()).pos - goal).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    # The state after the last round is in no loss here, and the guess is centred, so that its bias moves nothing.
    assert not [name for name in still if not name.startswith(("blocks.2.update_state", "embed_pos.2.bias"))]
