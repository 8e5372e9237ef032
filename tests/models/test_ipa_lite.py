"""What is IPALite's own; what holds for every recycling model is in ``test_structure_models.py``."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate

C = 8
SMALL = {"hidden_channels": 12, "heads": 2, "head_channels": 4, "gate_channels": 8}


def graph(n: int, seed: int) -> Data:
    x = torch.randn(n, C, generator=torch.Generator().manual_seed(seed))
    if n > 6:
        x[3] = x[5]  # duplicate nodes
    return Data(x=x, edge_index=candidate_graph(x, 5))


def model(preset: str = "v1", **options: object) -> IPALite:
    """A small model away from its initial point, in evaluation mode."""
    torch.manual_seed(0)
    built = IPALite.from_preset(preset, C, **{**SMALL, **options})
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.eval()


def test_parameter_counts() -> None:
    counts = {}
    for preset in ("v1", "v2", "d7"):
        built = IPALite.from_preset(preset, 128)
        gate = sum(p.numel() for p in built.gate.parameters())
        assert gate == 37_057
        counts[preset] = sum(p.numel() for p in built.parameters()) - gate
    assert counts == {"v1": 154_674, "v2": 352_281, "d7": 154_678}


def test_pair_bias_is_zero_at_first_and_the_same_in_all_recycles() -> None:
    counts = [sum(p.numel() for p in IPALite.from_preset("d7", 128, pair=pair).parameters()) for pair in (False, True)]
    assert counts[1] - counts[0] == 35_040
    data, plain, built = graph(20, 0), model("d7"), IPALite.from_preset("d7", C, **SMALL, pair=True).eval()
    assert plain.pair is None
    built.load_state_dict({**built.state_dict(), **plain.state_dict()})
    torch.testing.assert_close(built(data).pos, plain(data).pos)
    torch.nn.init.normal_(built.pair.last.weight)
    terms = built(data, return_terms=True).terms
    assert all(torch.equal(term.pair, built.pair(data.x, data.edge_index)) for term in terms)


def test_a_gate_given_replaces_the_own_one() -> None:
    class Distance(torch.nn.Module):
        def forward(self, x: torch.Tensor, edge_index: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
            return -(x[edge_index[0]] - x[edge_index[1]]).norm(dim=1)

    data, built = graph(20, 0), model(gate=Distance(), gate_channels=None)
    assert not list(built.gate.parameters())
    assert torch.equal(built(data).gate_logits, Distance()(data.x, data.edge_index))


def test_terms_of_every_recycle() -> None:
    data, built = graph(20, 0), model("v2")
    output = built(data, return_terms=True)
    torch.testing.assert_close(output.pos, built(data).pos, atol=1e-5, rtol=1e-5)
    assert len(output.terms) == 3
    assert [bool((term.geo != 0).any()) for term in output.terms] == [False, False, True]  # geo from recycle 2
    torch.testing.assert_close(output.terms[0].gate[:, 1], 2.0 * output.gate_logits)


def test_geo_from_delays_a_shared_block() -> None:
    output = model("d7", geo_from=3)(graph(20, 0), return_terms=True)
    assert [bool((term.geo != 0).any()) for term in output.terms] == [False, False, False, True, True]


def test_gate_per_head() -> None:
    data, built = graph(20, 0), model(gate=EdgeGate(C, heads=2), gate_channels=None)
    assert built(data).gate_logits.shape == (data.edge_index.size(1), 2)
    torch.testing.assert_close(built(data).pos, built(data, return_terms=True).pos, atol=1e-5, rtol=1e-5)


def test_without_qk_there_are_no_weights_for_it() -> None:
    with_qk, without = (sum(p.numel() for p in IPALite(C, qk=qk).blocks.parameters()) for qk in ("plain", "none"))
    assert with_qk - without == 2 * 96 * 4 * 32
    assert all((term.qk == 0).all() for term in model("v1", qk="none")(graph(20, 0), return_terms=True).terms)


def test_variants_of_the_recycles() -> None:
    data = graph(60, 0)
    data.edge_index = candidate_graph(data.x, 45)
    target = data.edge_index[1]
    share = (1 / target.bincount()[target])[:, None].expand(-1, 2)
    uniform = model(attention="uniform_after_first")(data, return_terms=True)
    assert (uniform.terms[0].qk != 0).any()
    for term in uniform.terms[1:]:
        torch.testing.assert_close(term.alpha, share)
    smoothing = model(attention="smoothing_after_first")
    assert [name for name, _ in smoothing.named_parameters() if name.startswith("smoothing")] == ["smoothing.raw_share"]
    found = smoothing(data, return_terms=True)
    for term in found.terms[1:]:
        assert (term.qk == 0).all()
        torch.testing.assert_close(term.gate[:, 1], 2.0 * found.gate_logits)
    found.pos.square()[:5].sum().backward()
    assert smoothing.smoothing.raw_share.grad.abs() > 0
    hard = model(attention="hard_gate")(data, return_terms=True)
    for term in hard.terms:
        received = torch.zeros(60).index_add(0, target, (term.alpha[:, 0] > 0).float())
        assert (received == 31).all()  # the best 30 and the node itself
    learned = model()(data)
    for other in (uniform, found, hard):
        assert not torch.allclose(other.pos, learned.pos, atol=1e-4)


def test_a_new_model_starts_at_its_guess_and_can_learn() -> None:
    torch.manual_seed(0)
    data, built = graph(20, 0), IPALite(C, hidden_channels=24, heads=2, head_channels=8, noise=0.0)
    output = built(data)
    torch.testing.assert_close(output.pos, output.initial, atol=1e-5, rtol=1e-5)
    optimiser = torch.optim.AdamW(built.parameters(), lr=1e-2)
    goal, losses = gauge_fix(data.x[:, :2]), []
    for _ in range(30):
        optimiser.zero_grad()
        loss = (built(data).pos - goal).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    touched = {name for name, p in built.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {"blocks.0.frame_weight", "blocks.0.project.weight", "gate.first.weight"} <= touched


def test_bad_input() -> None:
    for options, text in (
        ({"geo": "rbf", "geo_from": 5}, r"geo_from in 0\.\.4, found 5"),
        ({"geo": "rbf", "geo_from": 1, "attention": "uniform_after_first"}, r"geo_from in 0\.\.0, found 1"),
        ({"attention": "hard"}, "attention among learned, uniform_after_first, .*, found 'hard'"),
        ({"attention": "smoothing_after_first", "shared": False}, "shared=True with attention='smoothing_after_first'"),
        ({"gate": EdgeGate(C), "gate_channels": 8}, "gate_channels without a gate, found 8 and a gate"),
    ):
        with pytest.raises(InputError, match=text):
            IPALite(C, **options)
    with pytest.raises(InputError, match=r"a preset among v1, v2, d7, found 'd8' \(did you mean 'd7'\?\)"):
        IPALite.from_preset("d8", C)
