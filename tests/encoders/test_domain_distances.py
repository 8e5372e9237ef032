from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pyg_gears.encoders import domain_distances
from pyg_gears.encoders.domain_distances import coral, covariance, median_bandwidths, mmd


def sets(seed: int = 0, n: int = 7, m: int = 5, c: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, c, generator=generator, dtype=torch.float64)
    return x, 1.5 * torch.randn(m, c, generator=generator, dtype=torch.float64) + 0.4


def slow_coral(x: np.ndarray, y: np.ndarray) -> float:
    def entry(z: np.ndarray, a: int, b: int) -> float:
        mean_a, mean_b = sum(z[:, a]) / len(z), sum(z[:, b]) / len(z)
        return sum((row[a] - mean_a) * (row[b] - mean_b) for row in z) / (len(z) - 1)

    c = x.shape[1]
    return sum((entry(x, a, b) - entry(y, a, b)) ** 2 for a in range(c) for b in range(c)) / (4 * c**2)


def slow_mmd(x: np.ndarray, y: np.ndarray, widths: tuple[float, ...], unbiased: bool) -> float:
    def mean_kernel(first: np.ndarray, second: np.ndarray, skip: bool) -> float:
        values = []
        for i, a in enumerate(first):
            for j, b in enumerate(second):
                if not (skip and i == j):
                    square = sum((p - q) ** 2 for p, q in zip(a, b, strict=True))
                    values.append(sum(np.exp(-square / (2 * w**2)) for w in widths) / len(widths))
        return sum(values) / len(values)

    return mean_kernel(x, x, unbiased) + mean_kernel(y, y, unbiased) - 2 * mean_kernel(x, y, False)


def slow_widths(x: np.ndarray, y: np.ndarray) -> tuple[float, ...]:
    z = np.concatenate([x, y])
    pairs = sorted(np.sqrt(((z[i] - z[j]) ** 2).sum()) for i in range(len(z)) for j in range(i))
    return tuple(pairs[(len(pairs) - 1) // 2] * scale for scale in (0.25, 0.5, 1, 2, 4))


@pytest.mark.parametrize("seed", [0, 1])
def test_distances_are_their_formulas(seed: int) -> None:
    x, y = sets(seed)
    slow_x, slow_y = x.numpy(), y.numpy()
    assert float(coral(x, y)) == pytest.approx(slow_coral(slow_x, slow_y), rel=1e-12)
    np.testing.assert_allclose(covariance(x), np.cov(slow_x.T), rtol=1e-12)
    widths = slow_widths(slow_x, slow_y)
    assert median_bandwidths(x, y) == pytest.approx(widths, rel=1e-12)
    for unbiased in (False, True):
        assert float(mmd(x, y, unbiased=unbiased)) == pytest.approx(
            slow_mmd(slow_x, slow_y, widths, unbiased), rel=1e-10
        )
        found = float(mmd(x, y, (0.7, 2.0), unbiased=unbiased))
        assert found == pytest.approx(slow_mmd(slow_x, slow_y, (0.7, 2.0), unbiased), rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(7, 5), (4, 9), (3, 3), (8, 2)])
def test_distances_of_some_points_at_a_time(n: int, m: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end within a set, at its end, and with fewer points than the others."""
    x, y = sets(4, n, m)
    x.requires_grad_()

    def found() -> tuple[tuple[float, ...], list[float], list[torch.Tensor]]:
        values = [mmd(x, y, unbiased=True), mmd(x, y)]
        return (
            median_bandwidths(x, y),
            [value.item() for value in values],
            [torch.autograd.grad(value, x)[0] for value in values],
        )

    widths, values, gradients = found()
    for rows in (1, 3, 4):
        monkeypatch.setattr(domain_distances, "ROWS", rows)
        other = found()
        assert other[0] == pytest.approx(widths, rel=1e-12)
        assert other[1] == pytest.approx(values, rel=1e-11)
        torch.testing.assert_close(other[2], gradients, rtol=1e-10, atol=1e-13)


def test_nothing_of_all_pairs_is_held_but_once() -> None:
    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.size = max(self.size, result.untyped_storage().nbytes())
            return result

    x, y = sets(1, 1000, 1000)
    with Largest() as seen:
        mmd(x, y, (1.0, 2.0, 4.0, 8.0, 16.0), unbiased=True)
    assert seen.size <= 5 * domain_distances.ROWS * 2000 * 8  # all kernels of some points
    with Largest() as seen:
        median_bandwidths(x, y)
    assert seen.size <= 8 * 2000 * 1999 / 2  # each pair once


def test_a_common_offset_costs_no_digits_in_single_precision() -> None:
    x, y = sets(n=40, m=30)
    near, far = mmd(x.float(), y.float()), mmd(x.float() + 1000, y.float() + 1000)
    assert float(far) == pytest.approx(float(near), rel=1e-3)
    assert float(near) == pytest.approx(float(mmd(x, y)), rel=1e-4)


def test_gradients() -> None:
    x, y = (z.requires_grad_() for z in sets(n=4, m=5))
    assert torch.autograd.gradcheck(coral, (x, y))
    for unbiased in (False, True):
        assert torch.autograd.gradcheck(lambda a, b, u=unbiased: mmd(a, b, (0.5, 2.0), unbiased=u), (x, y))
    repeated = x.detach()[[0, 0, 1]].requires_grad_()
    mmd(repeated, y).backward()
    assert torch.isfinite(repeated.grad).all()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), m=st.integers(2, 12), c=st.integers(1, 5))
def test_zero_for_the_same_set_symmetric_and_never_negative(seed: int, n: int, m: int, c: int) -> None:
    x, y = sets(seed, n, m, c)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    for distance in (coral, mmd):
        assert float(distance(x, x)) == pytest.approx(0.0, abs=1e-14)
        assert float(distance(x, x[order])) == pytest.approx(0.0, abs=1e-14)
        assert float(distance(x, y)) == pytest.approx(float(distance(y, x)), rel=1e-9, abs=1e-14)
        assert float(distance(x, y)) >= 0


def test_what_each_distance_sees() -> None:
    x, _ = sets(n=200)
    assert float(coral(x, x + 3)) == pytest.approx(0.0, abs=1e-14)
    assert float(mmd(x, x + 3)) > 0.5
    assert float(coral(2 * x, 2 * x.flip(1) * 3)) == pytest.approx(16 * float(coral(x, x.flip(1) * 3)), rel=1e-9)
    assert float(mmd(5 * x, 5 * x + 5)) == pytest.approx(float(mmd(x, x + 1)), rel=1e-9)


def test_the_unbiased_discrepancy_is_zero_on_average_and_the_plain_one_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(2, 20, 2, generator=generator, dtype=torch.float64) for _ in range(200)]
    fair = np.mean([float(mmd(x, y, (1.0,), unbiased=True)) for x, y in draws])
    plain = np.mean([float(mmd(x, y, (1.0,))) for x, y in draws])
    assert abs(fair) < 0.01
    assert plain > 0.05


def test_sets_without_extent_stay_finite() -> None:
    point = torch.zeros(4, 2)
    assert float(mmd(point, point)) == 0.0
    # Most pairs coincide: the mean distance stands in for the median.
    assert 0 < float(mmd(torch.zeros(20, 2), torch.ones(2, 2))) < 2


def test_bad_input() -> None:
    x, y = sets()
    for distance in (coral, mmd):
        with pytest.raises(ValueError, match=r"expected two sets with the same channels, found shapes \(7, 3\) and"):
            distance(x, y[:, :2])
        with pytest.raises(ValueError, match="expected at least two rows in each set, found 1"):
            distance(x[:1], y)
    for widths in ((), (1.0, 0.0)):
        with pytest.raises(ValueError, match="expected bandwidths above 0, found"):
            mmd(x, y, widths)
