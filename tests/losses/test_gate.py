from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.losses import gate_kl, gate_ranking, gate_trust
from pyg_gears.losses.gate import TOP_MASS, candidate_transitions
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def batch_of(*sizes: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    data = [
        Data(x=torch.randn(n, 6, generator=generator), pos=torch.rand(n, 2, dtype=torch.float64, generator=generator))
        for n in sizes
    ]
    return Batch.from_data_list([CandidateGraph(k=8)(GeometricTargets()(one)) for one in data])


def rows(batch: Batch) -> list[tuple[int, list[int]]]:
    """Every node with its candidate edges, itself left out."""
    source, target = batch.edge_index.tolist()
    return [
        (i, [e for e in range(len(source)) if target[e] == i and source[e] != i]) for i in range(int(batch.num_nodes))
    ]


def random_logits(batch: Batch, heads: int | None = None, seed: int = 1) -> torch.Tensor:
    shape = (batch.edge_index.size(1),) if heads is None else (batch.edge_index.size(1), heads)
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_trust_is_the_formula_and_zero_for_the_same_gate() -> None:
    batch = batch_of(25, 40)
    now, before = random_logits(batch), random_logits(batch, seed=2)
    total = 0.0
    for i, mine in rows(batch):
        p, q = torch.softmax(before[mine], 0), torch.softmax(now[mine], 0)
        total += float((p * (p / q).log()).sum()) / (25 if i < 25 else 40) / 2
    assert float(gate_trust(now, before, batch)) == pytest.approx(total, rel=1e-9)
    # A shift of a whole row is no drift.
    assert float(gate_trust(now + batch.edge_index[1], now, batch)) == pytest.approx(0.0, abs=1e-12)


def test_trust_moves_only_the_current_gate() -> None:
    batch = batch_of(25)
    now, before = random_logits(batch).requires_grad_(), random_logits(batch, seed=2).requires_grad_()
    gate_trust(now, before, batch).backward()
    assert before.grad is None
    assert float(now.grad.abs().max()) > 0
    loops = batch.edge_index[0] == batch.edge_index[1]
    assert float(now.grad[loops].abs().max()) == 0.0


def test_per_head_logits_give_the_mean_over_heads() -> None:
    batch = batch_of(25, 40)
    logits, before = random_logits(batch, heads=3), random_logits(batch, heads=3, seed=2)
    each = [float(gate_kl(logits[:, h], batch)) for h in range(3)]
    assert float(gate_kl(logits, batch)) == pytest.approx(sum(each) / 3)
    each = [float(gate_trust(logits[:, h], before[:, h], batch)) for h in range(3)]
    assert float(gate_trust(logits, before, batch)) == pytest.approx(sum(each) / 3)


def test_ranking_compares_the_likeliest_neighbours_with_others() -> None:
    batch, margin = batch_of(25, 40), 0.7
    # A logit of its own for every edge, high where the target is low: what is drawn can be read from the loss.
    logits = random_logits(batch)
    low, high, pairs = 0.0, 0.0, 0
    for _, mine in rows(batch):
        mass = sorted(((float(batch.gate_target[e]), e) for e in mine), reverse=True)
        negatives = [float(logits[e]) for p, e in mass if p == 0]
        whole, running = sum(p for p, _ in mass), 0.0
        for p, e in mass:
            if p == 0 or running >= TOP_MASS * whole - 1e-9 or not negatives:
                break
            running += p
            pairs += 1
            low += max(0.0, margin - float(logits[e]) + min(negatives))
            high += max(0.0, margin - float(logits[e]) + max(negatives))
    values = [float(gate_ranking(logits, batch, torch.Generator().manual_seed(seed), margin)) for seed in range(40)]
    assert pairs > 40
    assert low / pairs <= min(values) < max(values) <= high / pairs
    again = gate_ranking(logits, batch, torch.Generator().manual_seed(3), margin)
    assert float(again) == values[3]


def test_ranking_is_zero_for_a_gate_that_separates_and_margin_for_a_blind_one() -> None:
    batch = batch_of(25, 40)
    perfect = torch.where(batch.gate_target > 0, 5.0, -5.0).double()
    assert float(gate_ranking(perfect, batch, torch.Generator())) == 0.0
    assert float(gate_ranking(torch.zeros_like(perfect), batch, torch.Generator(), 1.5)) == pytest.approx(1.5)
    logits = torch.zeros_like(perfect).requires_grad_()
    gate_ranking(logits, batch, torch.Generator()).backward()
    true = (batch.gate_target > 0) & (logits.grad != 0)
    assert bool((logits.grad[true] < 0).all())


def test_ranking_without_a_pair_is_zero() -> None:
    # Every candidate is a true neighbour: nothing to rank.
    batch = batch_of(15)
    assert not bool(((batch.gate_target == 0) & (batch.edge_index[0] != batch.edge_index[1])).any())
    logits = random_logits(batch).requires_grad_()
    loss = gate_ranking(logits, batch, torch.Generator())
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert float(logits.grad.abs().max()) == 0.0


@pytest.mark.parametrize("shape", [(7,), (7, 2)])
def test_other_edges_are_refused(shape: tuple[int, ...]) -> None:
    batch = batch_of(25)
    for call in (
        lambda wrong: gate_kl(wrong, batch),
        lambda wrong: gate_trust(wrong, random_logits(batch), batch),
        lambda wrong: gate_ranking(wrong, batch, torch.Generator()),
    ):
        with pytest.raises(ValueError, match=r"expected one logit for each of the .* candidate edges"):
            call(torch.zeros(shape))


def test_an_earlier_gate_of_other_heads_is_refused() -> None:
    batch = batch_of(25)
    logits = random_logits(batch)
    with pytest.raises(ValueError, match=r"earlier logits in the shape of the gate's, found \(\d+, 2\) and \(\d+,\)"):
        gate_trust(logits, torch.stack([logits, logits], dim=1), batch)


def test_a_part_of_a_graph_keeps_the_target_over_the_candidates_that_are_left() -> None:
    whole = batch_of(40)[0]
    part = whole.subgraph(torch.arange(40) < 20)
    total = torch.zeros(20, dtype=torch.float64).index_add(0, part.edge_index[1], part.gate_target)
    assert float(total.min()) < 0.9, "no row has lost an edge"
    p = candidate_transitions(part, part.edge_index)
    expected = part.gate_target / total.clamp(min=1e-300)[part.edge_index[1]]
    torch.testing.assert_close(p, expected, rtol=1e-12, atol=0)
    assert float(gate_kl((p + 1e-12).log(), part)) == pytest.approx(0.0, abs=1e-9)
    assert float(gate_kl(random_logits(part), part)) > 0
    assert torch.equal(candidate_transitions(whole, whole.edge_index), whole.gate_target), "whole rows changed"
