"""Distances and what is made of them: likelihood, triangles, springs, landmark MDS."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.geometry import gauge_fix, similarity_procrustes
from pyg_gears.models.distance_terms import (
    coordinate_cycle,
    distance_likelihood,
    triangle_hinge,
    uncertainty_spread,
)
from pyg_gears.models.landmark_layout import central_landmarks, landmark_layout
from pyg_gears.models.springs import spring_step
from pyg_gears.nn import DistanceHead, PairDistances
from pyg_gears.testing import assert_coordinate_equivariant, random_graphs
from tests.pairwise_distance import pairwise_distance


def points(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Measure(DistanceHead):
    """Distances as a table has them."""

    def __init__(self, table: Tensor) -> None:
        super().__init__(1, 1)
        self.table = table

    def forward(self, state: Tensor, pairs: Tensor) -> PairDistances:
        return PairDistances(self.table[pairs[0], pairs[1]], torch.zeros(pairs.size(1)))


def test_the_likelihood_is_that_of_a_log_normal() -> None:
    found = PairDistances(torch.tensor([1.0, 2.0]), torch.tensor([0.3, -0.4]))
    truth = torch.tensor([1.5, 1.0])
    normal = torch.distributions.Normal(found.distance.log(), (0.5 * found.log_variance).exp())
    expected = -normal.log_prob(truth.log()).mean() - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(distance_likelihood(found, truth), expected)
    assert float(uncertainty_spread(found)) == pytest.approx(0.35**2)
    assert float(uncertainty_spread(PairDistances(truth, torch.ones(2)))) == 0.0


def test_draws_have_the_deviation_that_the_head_names() -> None:
    found = PairDistances(torch.full((20_000,), 2.0), torch.full((20_000,), 2 * math.log(0.3)))
    drawn = found.draw(1.0, torch.Generator().manual_seed(0)).log()
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.03)
    assert float(drawn.mean()) == pytest.approx(math.log(2.0), abs=0.01)
    assert float(found.draw(0.5, torch.Generator().manual_seed(0)).log().std()) == pytest.approx(0.15, rel=0.03)
    assert found.draw(0.0, None) is found.distance


def test_a_head_is_symmetric_and_positive() -> None:
    torch.manual_seed(0)
    head, state = DistanceHead(4, 8), torch.randn(9, 4)
    pairs = torch.cartesian_prod(torch.arange(9), torch.arange(9)).T
    found, back = head(state, pairs), head(state, pairs.flip(0))
    torch.testing.assert_close(found.distance, back.distance)
    torch.testing.assert_close(found.log_variance, back.log_variance)
    assert (found.distance > 0).all()
    torch.testing.assert_close(found.precision, 1 / found.log_variance.exp())


def test_triangles_cost_nothing_in_a_metric_and_are_drawn_within_graphs() -> None:
    pos = points(12)
    table = pairwise_distance(pos)
    batch = Batch.from_data_list([Data(x=pos[:5]), Data(x=pos[5:])])
    generator = torch.Generator().manual_seed(0)
    assert float(triangle_hinge(Measure(table), pos, batch, generator)) == pytest.approx(0.0, abs=1e-12)
    far = table.clone()
    far[:5, 5:] = far[5:, :5] = 1e9  # asked for only if a triple crossed
    assert float(triangle_hinge(Measure(far), pos, batch, generator)) == pytest.approx(0.0, abs=1e-12)
    bent = table.clone()
    bent[0, 1] = bent[1, 0] = 50.0
    assert float(triangle_hinge(Measure(bent), pos, batch, generator)) > 0.1


def test_the_cycle_is_zero_where_coordinates_have_these_distances() -> None:
    pos, pairs = points(8), torch.tensor([[0, 1, 2, 3], [4, 5, 6, 7]])
    exact = PairDistances((pos[pairs[0]] - pos[pairs[1]]).norm(dim=1), torch.tensor([0.0, 1.0, -1.0, 2.0]).double())
    assert float(coordinate_cycle(pos, pairs, exact)) == pytest.approx(0.0, abs=1e-12)
    s = exact.log_variance.clone().requires_grad_()
    coordinate_cycle(pos, pairs, PairDistances(2 * exact.distance, s))
    assert float(coordinate_cycle(pos, pairs, PairDistances(2 * exact.distance, s))) == pytest.approx(math.log(2) ** 2)
    assert not coordinate_cycle(pos, pairs, PairDistances(2 * exact.distance, s)).requires_grad


def stress(pos: Tensor, truth: Tensor) -> float:
    return float((pairwise_distance(pos) - pairwise_distance(truth)).square().sum())


def test_springs_lower_the_stress_and_rest_at_their_lengths() -> None:
    truth, n = points(10), 10
    edges = torch.cartesian_prod(torch.arange(n), torch.arange(n)).T
    rest, weight = pairwise_distance(truth)[edges[1], edges[0]], (edges[0] != edges[1]).double()
    torch.testing.assert_close(spring_step(truth, edges, rest, weight), truth, atol=1e-9, rtol=0)
    pos, values = truth + 0.5 * points(n, seed=1), []
    for _ in range(30):
        values.append(stress(pos, truth))
        pos = spring_step(pos, edges, rest, weight, 0.5)
    assert all(b <= a + 1e-9 for a, b in pairwise(values))
    assert values[-1] < 0.05 * values[0]
    assert_coordinate_equivariant(
        lambda x: spring_step(x, edges, rest, weight), points(n, seed=2), allow_reflection=True, tol=1e-9
    )
    lonely = spring_step(pos, edges[:, :0], rest[:0], weight[:0])
    torch.testing.assert_close(lonely, pos)


def test_landmark_mds_recovers_the_plane() -> None:
    truth = points(40)
    landmarks = central_landmarks(truth, 8)
    found = landmark_layout(pairwise_distance(truth).square()[landmarks], landmarks)
    assert float(similarity_procrustes(found, truth, allow_reflection=True).disparity) < 1e-12
    torch.testing.assert_close(pairwise_distance(found), pairwise_distance(truth), atol=1e-8, rtol=1e-8)
    few = landmark_layout(pairwise_distance(truth[:3]).square()[:2], torch.tensor([0, 1]))
    assert few.isfinite().all()


def test_landmarks_are_the_same_nodes_in_any_order() -> None:
    state = random_graphs([20], 5)[0].x
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(order[central_landmarks(state[order], 6)], central_landmarks(state, 6))


def test_a_gauge_of_the_true_layout_is_the_unit_of_the_springs() -> None:
    """Rest lengths are in the gauge: a layout in another unit would not rest."""
    truth = gauge_fix(points(6))
    edges = torch.cartesian_prod(torch.arange(6), torch.arange(6)).T
    weight = (edges[0] != edges[1]).double()
    rest = pairwise_distance(truth)[edges[1], edges[0]]
    assert not torch.allclose(spring_step(3 * truth, edges, rest, weight), 3 * truth)
