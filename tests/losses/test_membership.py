from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears import losses
from pyg_gears.errors import InputError
from pyg_gears.losses import gate_ranking, linear_stress, log_stress, random_walk_kl, repulsion, walk_entropy
from pyg_gears.losses.membership import membership
from pyg_gears.targets import fuzzy_target, ring_triplets
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def test_one_graph_is_on_the_device_of_what_is_known() -> None:
    """The meta device stands for any device but the CPU: a tensor left on the CPU does not mix with it."""
    there = torch.device("meta")
    for data, device in (
        (Data(num_nodes=5), there),
        (Data(x=torch.zeros(5, 2, device=there)), None),
        (Data(sigma=torch.zeros(5, device=there)), None),
    ):
        found = membership(data, 5, device)
        assert {tensor.device for tensor in found} == {there}
    assert membership(Data(num_nodes=5), 5).batch.device == torch.device("cpu")


def test_losses_stay_on_the_device_of_the_coordinates() -> None:
    pos = torch.zeros(5, 2, device="meta")
    assert repulsion(pos, Data(num_nodes=5), torch.Generator().manual_seed(0)).device == pos.device


def test_draws_are_the_same_whatever_the_default_device_is() -> None:
    def drawn() -> list[torch.Tensor]:
        graph = Data(pos=pos, x=pos)
        seeds = [torch.Generator().manual_seed(0) for _ in range(3)]
        fuzzy, triplets = fuzzy_target(pos, seeds[0], 3), ring_triplets(pos, seeds[1], 3)
        data = GeometricTargets(k=3)(CandidateGraph(k=12)(graph))
        logits = torch.linspace(-1, 1, data.edge_index.size(1), device="cpu")
        both = repulsion(pos.flip(1), data, seeds[2], tau=1.0), gate_ranking(logits, data, seeds[2])
        return [fuzzy.negative_index, triplets, *both]

    pos = torch.rand(20, 2, generator=torch.Generator().manual_seed(0))
    expected = drawn()
    with torch.device("meta"):
        found = drawn()
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_fields_of_one_graph_and_of_a_batch() -> None:
    one = membership(Data(num_nodes=3), 3)
    assert [tensor.tolist() for tensor in one] == [[0, 0, 0], [0, 3], [3]]
    batch = Batch.from_data_list([Data(x=torch.zeros(n, 1)) for n in (2, 3)])
    for data in (batch, Data(batch=batch.batch)):
        found = membership(data, 5)
        assert [tensor.tolist() for tensor in found] == [[0, 0, 1, 1, 1], [0, 2, 5], [2, 3]]
    values = torch.tensor([1.0, 3.0, 2.0, 4.0, 9.0])
    assert found.node_mean(values).tolist() == [2.0, 5.0]
    assert found.edge_mean(values[:2], torch.tensor([2, 4])).tolist() == [0.0, 2.0]
    with pytest.raises(InputError, match="expected coordinates of the 5 nodes of the batch, found 4"):
        membership(batch, 4)


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress, walk_entropy])
def test_half_precision_loses_digits_only(loss) -> None:
    """Float16 holds neither the floor 1e-12 of a squared distance nor the offset 1e-8 of a probability."""
    pos = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
    data = GeometricTargets()(Data(pos=pos))
    predicted = (pos.flip(1) + 0.1 * pos).half()
    expected = loss(predicted.double(), data)
    half = predicted.clone().requires_grad_()
    found = loss(half, data)
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    found.backward()
    assert half.grad.dtype == torch.float16
    assert torch.isfinite(half.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mixed_precision_leaves_the_walks_alone(dtype: torch.dtype) -> None:
    pos = torch.rand(120, 2, generator=torch.Generator().manual_seed(0))
    data = GeometricTargets()(Data(pos=pos))
    expected = random_walk_kl(pos.flip(0), data)
    with torch.autocast("cpu", dtype):
        assert random_walk_kl(pos.flip(0), data).item() == expected.item()


def targets() -> Batch:
    graphs = [Data(x=torch.rand(n, 2), pos=torch.rand(n, 2)) for n in (5, 4)]
    return Batch.from_data_list([CandidateGraph(2)(GeometricTargets(2)(graph)) for graph in graphs])


EVERY = {
    "random_walk_kl": losses.random_walk_kl,
    "log_stress": losses.log_stress,
    "linear_stress": losses.linear_stress,
    "ratio_stress": losses.ratio_stress,
    "local_stress": losses.local_stress,
    "walk_entropy": losses.walk_entropy,
    "geometric_energy": losses.geometric_energy,
    "distill_walk": lambda pos, batch: losses.distill_walk(pos, pos, batch),
    "distill_distances": lambda pos, batch: losses.distill_distances(pos, pos, batch),
    "gate_kl": lambda pos, batch: losses.gate_kl(pos.new_zeros(batch.gate_target.size(0)), batch),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_loss_says_which_target_is_missing_or_of_other_nodes(name: str) -> None:
    function, batch = EVERY[name], targets()
    pos, field = (
        torch.rand(9, 2),
        {"random_walk_kl": "rw_", "walk_entropy": "rw_", "distill_walk": "rw_"}.get(name, "stress_"),
    )
    field = "" if name == "gate_kl" else "rw_" if name == "geometric_energy" else field
    edges = f"{field}edge_index"
    wrong = batch.clone()
    wrong[edges] = batch[edges] + 1
    with pytest.raises(InputError, match=rf"expected nodes 0\.\.8 in {edges}, found 1\.\.9"):
        function(pos, wrong)
    wrong[edges] = batch[edges].int()
    assert torch.equal(function(pos, wrong), function(pos, batch))
    del wrong[edges]
    maker = "CandidateGraph" if name == "gate_kl" else "GeometricTargets"
    with pytest.raises(InputError, match=rf"expected {edges} in the batch, found none; apply {maker}"):
        function(pos, wrong)
    if name != "gate_kl":
        with pytest.raises(InputError, match="coordinates of the 9 nodes of the batch, found 7"):
            function(pos[:7], batch)


def test_values_of_another_number() -> None:
    batch = targets()
    batch.rw_multiplicity = batch.rw_multiplicity[:-1]
    with pytest.raises(InputError, match=r"expected \d+ values in rw_multiplicity, found \d+; build the targets"):
        losses.random_walk_kl(torch.rand(9, 2), batch)


def test_nodes_that_are_not_sorted_by_graph_and_no_graph() -> None:
    with pytest.raises(InputError, match="sorted by graph, found another order; make the batch"):
        membership(Data(batch=torch.tensor([1, 0])), 2)
    with pytest.raises(InputError, match="sorted by graph, found no node"):
        membership(Data(batch=torch.zeros(0, dtype=torch.long)), 0)


def test_masked_logits_have_a_finite_loss() -> None:
    batch = targets()
    logits = torch.zeros(batch.edge_index.size(1)).index_fill(0, torch.arange(0, 14, 2), -torch.inf).requires_grad_()
    draw = torch.Generator().manual_seed(0)
    for value in (
        losses.gate_kl(logits, batch),
        losses.gate_trust(logits, logits, batch),
        losses.gate_ranking(logits, batch, draw),
    ):
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_graphs_without_a_pair_repel_nothing() -> None:
    batch = Batch.from_data_list([Data(x=torch.ones(n, 1)) for n in (0, 1, 3, 0)])
    alone = losses.repulsion(torch.zeros(4, 2), batch, torch.Generator().manual_seed(0))
    assert alone.item() == 0.25  # the coinciding three, one graph in four
    nothing = Batch.from_data_list([Data(x=torch.ones(0, 1))])
    assert losses.repulsion(torch.zeros(0, 2), nothing, torch.Generator()).item() == 0
