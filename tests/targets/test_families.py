"""Fuzzy neighbourhoods, triplets, reconstruction weights, neighbourhoods: against the formulas, node by node, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.targets import fuzzy_target, lle_target, neighbor_count, neighborhood_target, ring_triplets
from pyg_gears.transforms import FAMILIES, CandidateGraph, GeometricTargets, GramFactor, TargetFamilies
from tests.pairwise_distance import pairwise_distance


def points(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def order_of(pos: torch.Tensor) -> torch.Tensor:
    """Other nodes of each node, the nearest first, and their distances in the gauge."""
    return pairwise_distance(gauge_fix(pos)).fill_diagonal_(-1).argsort(dim=1)[:, 1:]


def test_memberships_are_the_formula_and_negatives_come_from_their_ranks() -> None:
    pos, k = points(90), neighbor_count(90)
    found, order, distance = fuzzy_target(pos, draws()), order_of(pos), pairwise_distance(gauge_fix(pos))
    sigma = distance.gather(1, order)[:, k - 1]
    torch.testing.assert_close(found.sigma, sigma)
    for (j, i), mu in zip(found.edge_index.T.tolist(), found.membership.tolist(), strict=True):
        assert j in order[i, :k].tolist()
        assert mu == pytest.approx(math.exp(-(float(distance[i, j]) ** 2) / (float(sigma[i] * sigma[j]) + 1e-8)))
    assert found.edge_index.unique(dim=1).size(1) == 90 * k
    rank = (order[found.negative_index[1]] == found.negative_index[0][:, None]).int().argmax(dim=1).reshape(90, k)
    assert rank.min() >= k
    ring = rank[:, : k // 2]
    assert (ring < 3 * k).all()
    assert (rank[:, k // 2 :] >= 3 * k).any()
    again = fuzzy_target(pos, draws())
    assert torch.equal(found.negative_index, again.negative_index)
    assert not torch.equal(found.negative_index, fuzzy_target(pos, draws(1)).negative_index)


def test_triplets_keep_to_their_ranks() -> None:
    pos = points(80)
    k, order = 20, order_of(pos)
    anchor, near, far = ring_triplets(pos, draws())
    assert torch.equal(anchor, torch.arange(80).repeat_interleave(16))
    ranks = [(order[anchor] == other[:, None]).int().argmax(dim=1) for other in (near, far)]
    assert ranks[0].max() < k // 2
    assert ranks[1].min() >= k
    assert ranks[1].max() < 3 * k
    assert len(ranks[0].unique()) > 5
    assert torch.equal(ring_triplets(1e-6 * pos, draws()), torch.stack([anchor, near, far]))  # whatever the unit
    assert ring_triplets(points(5), draws()).shape == (3, 0)  # all others are neighbours
    assert ring_triplets(points(30), draws(), k=4, per_node=2).shape == (3, 60)


def test_weights_solve_the_local_system() -> None:
    pos = points(50)
    found, order, x = lle_target(pos, k=8), order_of(pos), gauge_fix(pos)
    weight = found.weight.reshape(50, 8)
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(50).double())
    for i in range(50):
        neighbors = found.edge_index[0].reshape(50, 8)[i]
        assert sorted(neighbors.tolist()) == sorted(order[i, :8].tolist())
        difference = x[neighbors] - x[i]
        gram = difference @ difference.T
        w = torch.linalg.solve(gram + 1e-3 * gram.trace() * torch.eye(8).double(), torch.ones(8).double())
        torch.testing.assert_close(weight[i], w / w.sum())
    coincident = torch.cat([pos[:1].repeat(9, 1), pos])
    assert torch.isfinite(lle_target(coincident, k=4).weight).all()


def test_neighbourhoods_are_the_nearest_and_tau_their_median_reach() -> None:
    pos = points(60)
    found, order = neighborhood_target(pos, k=7), order_of(pos)
    assert torch.equal(found.edge_index[0].reshape(60, 7).sort(dim=1).values, order[:, :7].sort(dim=1).values)
    reach = pairwise_distance(gauge_fix(pos)).gather(1, order)[:, 6]
    assert float(found.tau) == pytest.approx(float(reach.median()) ** 2)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_very_few_nodes(n: int) -> None:
    pos = points(n)
    assert fuzzy_target(pos, draws()).membership.numel() == n * max(n - 1, 0)
    assert fuzzy_target(pos, draws()).negative_index.size(1) == 0
    assert lle_target(pos).weight.numel() == n * max(n - 1, 0)
    assert neighborhood_target(pos).tau.shape == (1,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_transform_sets_what_the_functions_give_and_keeps_pos(dtype: torch.dtype) -> None:
    pos = points(40).to(dtype)
    found = TargetFamilies(k=6, seed=3)(Data(pos=pos))
    fuzzy = fuzzy_target(pos, draws(3), 6)
    assert torch.equal(found.fuzzy_negative_index, fuzzy.negative_index)
    assert torch.equal(found.sigma, fuzzy.sigma)
    assert torch.equal(found.triplet_index, ring_triplets(pos, draws(3), 6))
    assert torch.equal(found.lle_weight, lle_target(pos, 6).weight)
    assert torch.equal(found.near_tau, neighborhood_target(pos, 6).tau)
    assert {found[name].dtype for name in ("fuzzy_membership", "sigma", "lle_weight", "near_tau")} == {dtype}
    assert torch.equal(found.pos, pos)
    assert set(TargetFamilies(("lle",))(Data(pos=pos)).keys()) == {"pos", "lle_edge_index", "lle_weight"}
    assert eval(repr(TargetFamilies(("lle",), k=6))).families == ("lle",)


def test_a_batch_shifts_every_index_and_goes_through_all_transforms() -> None:
    graphs = [Data(x=torch.randn(n, 3), pos=points(n, seed=n)) for n in (30, 45)]
    batch = TargetFamilies(k=5)(Batch.from_data_list(graphs))
    apart = [TargetFamilies(k=5)(graph) for graph in graphs]
    for name in ("fuzzy_edge_index", "fuzzy_negative_index", "triplet_index", "lle_edge_index", "near_edge_index"):
        assert torch.equal(batch[name], torch.cat([apart[0][name], apart[1][name] + 30], dim=1)), name
    assert batch.near_tau.shape == (2,)
    whole = CandidateGraph(5)(GeometricTargets(5)(GramFactor()(TargetFamilies(k=5)(graphs[0]))))
    assert whole.pos is None
    assert {"gram_factor", "triplet_index", "gate_target"} <= set(whole.keys())


def test_bad_input_is_refused_in_a_sentence() -> None:
    names = ", ".join(FAMILIES)
    with pytest.raises(InputError, match=f"expected families among {names}, found ring; name some of these"):
        TargetFamilies(("ring",))
    with pytest.raises(InputError, match=r"in data\.pos, found none; apply TargetFamilies before the others"):
        TargetFamilies()(Data(x=torch.ones(4, 2)))
    for build in (
        lambda p: fuzzy_target(p, draws()),
        lambda p: ring_triplets(p, draws()),
        lle_target,
        neighborhood_target,
    ):
        with pytest.raises(InputError, match="finite coordinates in pos, found NaN or infinity"):
            build(torch.full((5, 2), torch.nan))


def test_choices_out_of_their_range_are_refused() -> None:
    pos, generator = torch.rand(9, 2), torch.Generator()
    with pytest.raises(InputError, match=r"expected a ridge above 0, found 0\.0; 0\.001 is the default"):
        lle_target(pos, ridge=0.0)
    with pytest.raises(InputError, match="expected per_node to be a whole number above 0, found 0; give one"):
        ring_triplets(pos, generator, per_node=0)
