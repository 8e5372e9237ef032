"""What a denoiser reads beside its points: time, angles, distances, and how a condition modulates."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.nn import DistanceBias, FiLM, FourierTime, angle_histogram
from pyg_gears.targets.near_in_set import near_in_set


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_neighbours_of_padded_sets_are_those_of_the_set() -> None:
    pos, mask = points(2, 6, 3), torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    distance, index = near_in_set(pos, mask, 4)
    for b, n in ((0, 6), (1, 3)):
        for i in range(n):
            order = sorted((float((pos[b, i] - pos[b, j]).norm()), j) for j in range(n) if j != i)
            seen = min(4, n - 1)
            assert index[b, i, :seen].tolist() == [j for _, j in order[:seen]]
            assert distance[b, i, :seen].tolist() == pytest.approx([d for d, _ in order[:seen]])
            assert distance[b, i, seen:].isinf().all()
    assert near_in_set(points(1, 1, 2), None, 5)[0].shape == (1, 1, 0)


def test_angles_are_counted_as_stated() -> None:
    pos, mask = points(2, 9, 3), torch.tensor([[True] * 9, [True] * 4 + [False] * 5])
    pos[0, 3] = pos[0, 5]  # a neighbour without a direction
    found = angle_histogram(pos, mask, k=5, bins=4)
    for b, n in ((0, 9), (1, 4)):
        for i in range(n):
            near = sorted((float((pos[b, i] - pos[b, j]).norm()), j) for j in range(n) if j != i)[:5]
            arms = [pos[b, j] - pos[b, i] for d, j in near if d > 0]
            bins = [0.0] * 4
            for u, v in combinations(arms, 2):
                cosine = float(u @ v / (u.norm() * v.norm()))
                bins[min(3, int((cosine + 1) / 2 * 4))] += 1
            total = max(1.0, sum(bins))
            assert found[b, i].tolist() == pytest.approx([count / total for count in bins])


def test_angles_do_not_depend_on_pose_scale_order_or_company() -> None:
    pos = points(1, 20, 3)
    turn = torch.linalg.qr(points(3, 3, seed=1))[0]
    order = torch.randperm(20, generator=torch.Generator().manual_seed(2))
    expected = angle_histogram(pos)
    torch.testing.assert_close(angle_histogram(3.7 * pos @ turn + 2), expected)
    torch.testing.assert_close(angle_histogram(pos[:, order]), expected[:, order])
    padded = torch.cat([pos, torch.full((1, 5, 3), 9.0, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(angle_histogram(padded, torch.arange(25)[None] < 20)[:, :20], expected)
    torch.testing.assert_close(expected.sum(dim=2), torch.ones(1, 20, dtype=torch.float64))
    assert torch.equal(angle_histogram(torch.zeros(1, 4, 2)), torch.zeros(1, 4, 8))
    assert torch.equal(angle_histogram(torch.zeros(1, 1, 2)), torch.zeros(1, 1, 8))


def test_the_bias_is_that_of_the_bin_and_leaves_the_points_alone() -> None:
    torch.manual_seed(0)
    bias = DistanceBias(bins=5, channels=3).double()
    bias.set_range(0.1, 1.6)
    edges = [0, 0.1, 0.1 * 16 ** (1 / 3), 0.1 * 16 ** (2 / 3), 1.6]
    place = torch.tensor([[[0.0], [0.05], [0.2], [0.9], [7.0]]], dtype=torch.float64, requires_grad=True)
    found = bias(place)
    values = (bias.scale * bias.bin @ bias.weight).tolist()
    for i in range(5):
        for j in range(5):
            distance = (place[0, i] - place[0, j]).abs().item()
            expected = values[max(k for k in range(5) if edges[k] <= distance)]
            assert found[0, i, j].item() == pytest.approx(expected)
    found.square().sum().backward()
    assert place.grad is None
    assert all(parameter.grad.abs().max() > 0 for parameter in bias.parameters())
    for low, high in ((0.0, 1.0), (2.0, 1.0), (1.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(InputError, match="expected a range of distances 0 < low < high"):
            bias.set_range(low, high)


def test_the_first_factor_may_be_a_whole_number() -> None:
    assert DistanceBias(scale=1).scale.item() == 1.0


def test_the_bias_can_be_differentiated_twice_and_takes_half_precision() -> None:
    torch.manual_seed(0)
    bias, place = DistanceBias(bins=5, channels=3).double(), points(1, 6, 2)
    names, values = zip(*bias.named_parameters(), strict=True)

    def of_weights(*values: Tensor) -> Tensor:
        return torch.func.functional_call(bias, dict(zip(names, values, strict=True)), (place,)).square()

    assert torch.autograd.gradgradcheck(of_weights, values)
    plain, followed = (
        torch.autograd.grad(of_weights(*values).sum(), values, create_graph=more) for more in (False, True)
    )
    torch.testing.assert_close(followed, plain)
    found = torch.func.grad(lambda scale: of_weights(scale, *values[1:]).sum())(values[0])
    torch.testing.assert_close(found, plain[0])
    assert bias.bfloat16()(place.bfloat16()).dtype == torch.bfloat16


def test_a_point_without_a_place_falls_into_a_bin() -> None:
    """What was NaN stays NaN in a state and shows there; the number that it becomes in a bin must be one of the bins."""
    place, others = points(1, 4, 2), torch.tensor([0, 1, 3])
    torch.manual_seed(0)
    bias = DistanceBias().double()
    expected, found = bias(place), bias(place.index_fill(1, torch.tensor([2]), torch.nan))
    assert found.isfinite().all()
    assert torch.equal(found[:, others][:, :, others], expected[:, others][:, :, others])


def test_film_starts_as_the_identity_and_modulates_by_its_condition() -> None:
    torch.manual_seed(0)
    film = FiLM(4, 3).double()
    x, condition = points(2, 5, 4), points(2, 5, 3, seed=1)
    assert torch.equal(film(x, condition), x)
    for parameter in film.parameters():
        torch.nn.init.normal_(parameter)
    scale, shift = film.network(condition).split(4, dim=2)
    torch.testing.assert_close(film(x, condition), x * (1 + scale) + shift)
    film.reset_parameters()
    assert torch.equal(film(x, condition), x)


def test_film_refuses_integers_and_other_channels() -> None:
    film, x, condition = FiLM(4, 3), torch.ones(2, 5, 4), torch.ones(2, 5, 3)
    with pytest.raises(InputError, match=r"expected x as floats, found torch\.int64"):
        film(x.long(), condition)
    with pytest.raises(InputError, match=r"expected the condition as floats, found torch\.int64"):
        film(x, condition.long())
    with pytest.raises(InputError, match="expected 3 channels, found 4 in the condition"):
        film(x, x)


def test_time_is_read_at_its_frequencies() -> None:
    torch.manual_seed(0)
    time = FourierTime(6, features=8).double()
    t = torch.tensor([-0.7, 0.0, 2.5], dtype=torch.float64)
    rows = []
    for value in t.tolist():
        angles = [value * 10000 ** (-k / 4) for k in range(4)]
        rows.append([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
    expected = time.network(torch.tensor(rows, dtype=torch.float64))
    torch.testing.assert_close(time(t), expected)


def test_times_of_another_shape_or_type_are_refused() -> None:
    time = FourierTime(4, features=8)
    with pytest.raises(
        InputError, match=r"times of shape \(b,\), found a torch\.float32 tensor of shape \(\); give every set one"
    ):
        time(torch.tensor(0.1))
    with pytest.raises(InputError, match=r"times of shape \(b,\), found float"):
        time(0.1)
    with pytest.raises(InputError, match=r"expected time in the layer's torch\.float32, found torch\.float64"):
        time(torch.zeros(2, dtype=torch.float64))


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="an even number of features, found 7"):
        FourierTime(4, features=7)
    with pytest.raises(InputError, match="at least three bins of distances, found 2"):
        DistanceBias(bins=2)
