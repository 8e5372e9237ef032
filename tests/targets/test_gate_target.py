from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.losses import gate_kl
from pyg_gears.targets import gate_target, log_transitions, random_walk_target
from pyg_gears.targets.gate import check_gate_target
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def example(n: int = 40) -> Data:
    generator = torch.Generator().manual_seed(0)
    return Data(
        x=torch.randn(n, 5, generator=generator), pos=torch.rand(n, 2, dtype=torch.float64, generator=generator)
    )


def dense(pos: torch.Tensor) -> torch.Tensor:
    walk = random_walk_target(pos)
    t = torch.zeros(len(pos), len(pos), dtype=pos.dtype)
    t[walk.edge_index[1], walk.edge_index[0]] = log_transitions(
        walk.log_ref, walk.multiplicity, walk.edge_index, len(pos)
    ).exp()
    return t


@pytest.mark.parametrize("order", ["targets first", "candidates first"])
@pytest.mark.parametrize("kind", ["walk", "walk2", "mix"])
def test_every_kind_is_its_formula(kind, order) -> None:
    data = example()
    t = dense(data.pos)
    transforms = [GeometricTargets(gate_target=kind), CandidateGraph(k=7, gate_target=kind)]
    found = data
    for transform in transforms if order == "targets first" else transforms[::-1]:
        found = transform(found)
    expected = torch.zeros(found.edge_index.size(1), dtype=torch.float64)
    for step, weight in ((t, kind != "walk2"), (t @ t, kind != "walk")):
        if not weight:
            continue
        for i in range(len(t)):
            mine = [e for e, (a, b) in enumerate(found.edge_index.T.tolist()) if b == i and a != i]
            mass = step[i, found.edge_index[0, mine]]
            expected[mine] += mass / mass.sum() / (2 if kind == "mix" else 1)
    torch.testing.assert_close(found.gate_target, expected)


def test_a_graph_without_a_walk_gives_zeros() -> None:
    edges = torch.tensor([[0, 1, 0], [0, 0, 1]])
    empty = torch.zeros(2, 0, dtype=torch.long)
    assert torch.equal(gate_target(edges, empty, torch.zeros(0), 2, "mix"), torch.zeros(3))


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected gate_target among walk, walk2, mix, found 'walk3'"):
        CandidateGraph(gate_target="walk3")
    with pytest.raises(ValueError, match="expected gate_target among walk, walk2, mix, found 'none'"):
        GeometricTargets(gate_target="none")
    with pytest.raises(ValueError, match="expected gate_target among walk, walk2, mix, found 'walks'"):
        check_gate_target("walks")  # what gate_target asks first


def test_a_mixed_row_with_one_kind_of_mass_still_sums_to_one() -> None:
    """Few candidates may all be two steps away: half a row would make the KL negative."""
    data = example(60)
    data = CandidateGraph(k=2, gate_target="mix")(GeometricTargets(k=3, gate_target="mix")(data))
    total = torch.zeros(60, dtype=torch.float64).index_add(0, data.edge_index[1], data.gate_target)
    assert bool(((total - 1).abs() < 1e-9).any())
    assert bool((((total - 1).abs() < 1e-9) | (total == 0)).all())
    assert float(gate_kl((data.gate_target + 1e-12).log(), data)) == pytest.approx(0.0, abs=1e-9)


def test_the_names_of_the_transforms_tell_their_choices() -> None:
    name = repr(CandidateGraph(k=5, mutual=True, projection=torch.eye(3, 2), gate_target="mix"))
    assert name == (
        "CandidateGraph(k=5, metric='cosine', mutual=True, jaccard=0.0, projection=(3, 2), gate_target='mix')"
    )


def test_mix_is_half_the_sum_of_both_losses_up_to_a_constant() -> None:
    """The gradient of KL to the mean is the mean of the gradients of the two KLs."""
    data = GeometricTargets()(example())
    edges = CandidateGraph(k=7)(data).edge_index
    gradients = {}
    for kind in ("walk", "walk2", "mix"):
        found = CandidateGraph(k=7, gate_target=kind)(data)
        logits = torch.linspace(-2, 2, edges.size(1), dtype=torch.float64).requires_grad_()
        gate_kl(logits, found).backward()
        gradients[kind] = logits.grad
    torch.testing.assert_close(gradients["mix"], (gradients["walk"] + gradients["walk2"]) / 2)
