from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPAR


def data() -> Data:
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    return Data(x=x, edge_index=candidate_graph(x, 5))


def test_parameter_count() -> None:
    model = IPAR(128)
    gate = sum(p.numel() for p in model.gate.parameters())
    assert gate == 37_057
    assert sum(p.numel() for p in model.parameters()) - gate == 388_892


def test_schedules_of_the_rounds() -> None:
    assert IPAR(4).gate_weights.tolist() == [0.5, 1.5, 2.0]
    assert IPAR(4, recycles=5).gate_weights.tolist() == [0.5, 1.0, 1.5, 1.75, 2.0]
    assert IPAR(4, recycles=1).gate_weights.tolist() == [2.0]
    model = IPAR(4, step=3.0)
    assert model.steps.tolist() == [3.0, 3.0, 3.0]
    with torch.no_grad():
        model.gate_weight.copy_(torch.tensor([-1.0, 1.0, 9.0]))
        model.raw_step.copy_(torch.tensor([-90.0, 0.0, 90.0]))
        for block in model.blocks:
            block.tau.copy_(torch.tensor([-5.0, 3.0, 10.0, 99.0]))
    assert model.gate_weights.tolist() == [0.0, 1.0, 2.5]
    assert model.steps.tolist() == pytest.approx([0.0, 3.0, 6.0])
    torch.testing.assert_close(model.blocks[0]._scale(*torch.randn(2, 6, 4, 32))[0].norm(dim=-1).amax(0) ** 2,
                               torch.tensor([1.0, 9.0, 100.0, 100.0]), atol=1e-2, rtol=1e-2)  # fmt: skip


def test_geometry_speaks_in_the_last_round_only() -> None:
    for recycles in (1, 3):
        terms = IPAR(8, recycles=recycles)(data(), return_terms=True).terms
        assert [bool((term.geo != 0).any()) for term in terms] == [False] * (recycles - 1) + [True]
    assert all((term.geo == 0).all() for term in IPAR(8, geo="none")(data(), return_terms=True).terms)


def test_gate_weights_and_pair_are_in_the_logits() -> None:
    model = IPAR(8, gate_heads=True)
    torch.nn.init.normal_(model.pair.last.weight)
    output = model(data(), return_terms=True)
    assert output.gate_logits.shape == (data().edge_index.size(1), 4)
    for term, weight in zip(output.terms, (0.5, 1.5, 2.0), strict=True):
        torch.testing.assert_close(term.gate, weight * output.gate_logits)
        torch.testing.assert_close(term.pair, model.pair(data().x, data().edge_index))


def test_a_new_model_starts_at_its_guess_and_can_learn() -> None:
    torch.manual_seed(0)
    model = IPAR(8, noise=0.0)
    output = model(data())
    torch.testing.assert_close(output.pos, output.initial, atol=1e-5, rtol=1e-5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    goal, losses = gauge_fix(data().x[:, :2]), []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (model(data()).pos - goal).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    still = [name for name, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    # Nobody reads the last state.
    assert all(name.startswith("blocks.2.update_state") for name in still)
