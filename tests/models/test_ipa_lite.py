from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate

C = 8
PRESETS = ("v1", "v2", "d7")
SMALL = {"hidden_channels": 12, "heads": 2, "head_channels": 4, "gate_channels": 8}


def graph(n: int, seed: int, dtype: torch.dtype = torch.float32) -> Data:
    x = torch.randn(n, C, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    if n > 6:
        x[3] = x[5]  # duplicate nodes
    return Data(x=x, edge_index=candidate_graph(x, 5))


def model(preset: str = "v1", dtype: torch.dtype = torch.float32, **options: object) -> IPALite:
    """A small model away from its initial point, in evaluation mode."""
    torch.manual_seed(0)
    built = IPALite.from_preset(preset, C, **{**SMALL, **options})
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return built.to(dtype).eval()


def test_parameter_counts() -> None:
    counts = {}
    for preset in PRESETS:
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


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", ["edge", "dense", "auto"])
def test_batched_equals_unbatched(preset: str, dtype: torch.dtype, layout: str) -> None:
    graphs = [graph(n, n, dtype) for n in (20, 1, 9, 33)]
    built = model(preset, dtype, layout=layout)
    together = built(Batch.from_data_list(graphs))
    alone = [built(data) for data in graphs]
    for r in range(built.recycles):
        expected = torch.cat([output.trajectory[r] for output in alone])
        torch.testing.assert_close(together.trajectory[r], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.gate_logits, torch.cat([o.gate_logits for o in alone]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.state, torch.cat([o.state for o in alone]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_layouts_agree_and_so_do_their_gradients(preset: str) -> None:
    batch = Batch.from_data_list([graph(n, n, torch.float64) for n in (20, 9)])
    results = []
    for layout in ("edge", "dense"):
        built = model(preset, torch.float64, layout=layout)
        output = built(batch)
        weight = torch.linspace(-1, 1, output.pos.numel(), dtype=torch.float64).view_as(output.pos)
        total = sum((pos * weight).sum() for pos in output.trajectory) + output.state.sum()
        results.append((output.pos, torch.autograd.grad(total, list(built.parameters()))))
    torch.testing.assert_close(*results, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("preset", PRESETS)
def test_permutation_equivariance(preset: str) -> None:
    data, built = graph(25, 0, torch.float64), model(preset, torch.float64)
    order = torch.randperm(25, generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    moved = built(Data(x=data.x[order], edge_index=place[data.edge_index]))
    torch.testing.assert_close(moved.pos, built(data).pos[order], atol=1e-9, rtol=1e-9)


def test_output() -> None:
    batch = Batch.from_data_list([graph(20, 0), graph(9, 1)])
    output = model()(batch)
    assert len(output.trajectory) == 5
    assert output.trajectory[-1] is output.pos
    for pos in (output.initial, *output.trajectory):
        torch.testing.assert_close(gauge_fix(pos, batch.batch), pos, atol=1e-5, rtol=1e-5)
    assert output.gate_logits.shape == (batch.edge_index.size(1),)
    assert output.state.shape == (29, 12)
    assert output.terms is None


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


def test_gate_can_be_given_left_out_and_weighted() -> None:
    data, built = graph(20, 0), model()
    own = built(data)
    torch.testing.assert_close(built(data, gate_logits=own.gate_logits).pos, own.pos)
    without = built(data, use_gate=False)
    assert without.gate_logits is None
    torch.testing.assert_close(built(data, beta=0.0).pos, without.pos)
    assert not torch.allclose(own.pos, without.pos)
    torch.testing.assert_close(built(data, gate_logits=0.5 * own.gate_logits).pos, built(data, beta=1.0).pos)


def test_oracle_graph_refuses_logits_of_another_support() -> None:
    data, built = graph(20, 0), model()
    oracle = candidate_graph(data.x, 2)
    assert built(data, edge_index=oracle, use_gate=False).edge_index.equal(oracle)
    assert built(data, edge_index=oracle).gate_logits.numel() == oracle.size(1)
    logits = built(data).gate_logits
    with pytest.raises(InputError, match="belong to another support"):
        built(data, edge_index=oracle, gate_logits=logits)
    with pytest.raises(InputError, match="no gate logits with use_gate=False"):
        built(data, edge_index=oracle, gate_logits=logits, use_gate=False)


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


def test_noise() -> None:
    data, built = graph(20, 0), model()
    assert torch.equal(built(data).pos, built(data).pos)
    built.train()
    assert not torch.equal(built(data).initial, built(data).initial)
    assert torch.equal(built(data, noise=0.0).initial, built(data, noise=0.0).initial)
    built.eval()
    first, second = (built(data, noise=0.3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert not torch.allclose(first.pos, second.pos)
    again = built(data, noise=0.3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(first.pos, again.pos)


def test_detach_stops_the_gradient_between_recycles() -> None:
    for detach in (False, True):
        built = model(detach=detach)
        built(graph(20, 0)).pos.square()[:10].sum().backward()
        gradient = built.embed_state[0].weight.grad
        assert (gradient is None) == detach


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


def test_single_nodes_and_collapsed_embeddings_stay_finite() -> None:
    for x in (torch.randn(1, C), torch.zeros(7, C)):
        built = model("d7").train()
        output = built(Data(x=x, edge_index=candidate_graph(x, 3)), noise=0.0)
        output.pos.sum().backward()
        assert torch.isfinite(output.pos).all()
        assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)


def test_state_dict_round_trip() -> None:
    first, second = (
        model("d7"),
        IPALite.from_preset("d7", C, **SMALL),
    )
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.eval()(graph(20, 0)).pos, first(graph(20, 0)).pos)


def test_bad_input() -> None:
    for options, text in (
        ({"recycles": 0}, "at least one recycle, found 0"),
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
