from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyg_gears.encoders import vicreg


def views(n: int = 9, c: int = 4, scale: float = 0.7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (scale * torch.randn(n, c, generator=generator, dtype=torch.float64) for _ in range(2))
    return a + 0.3, b


def slow(a: Tensor, b: Tensor) -> tuple[float, float, float]:
    """The definition, entry by entry."""
    n, c = a.shape
    invariance = sum(float(a[i, k] - b[i, k]) ** 2 for i in range(n) for k in range(c)) / (n * c)
    variance = covariance = 0.0
    for z in (a.tolist(), b.tolist()):
        mean = [sum(row[k] for row in z) / n for k in range(c)]
        for k in range(c):
            for m in range(c):
                cov = sum((row[k] - mean[k]) * (row[m] - mean[m]) for row in z) / (n - 1)
                if k == m:
                    variance += max(0.0, 1 - (cov + 1e-4) ** 0.5) / (2 * c)
                else:
                    covariance += cov**2 / (2 * c)
    return invariance, variance, covariance


@pytest.mark.parametrize("scale", [0.1, 0.7, 1.1, 3.0])
@pytest.mark.parametrize("n", [2, 9])
def test_terms_are_the_definition(n: int, scale: float) -> None:
    a, b = views(n, scale=scale)
    assert [float(term) for term in vicreg(a, b)] == pytest.approx(slow(a, b), rel=1e-10, abs=1e-14)


def test_gradients_are_those_of_the_terms() -> None:
    a, b = (x.requires_grad_() for x in views())
    assert torch.autograd.gradcheck(lambda a, b: tuple(vicreg(a, b)), (a, b))


def test_order_of_spots_does_not_matter_but_their_pairing_does() -> None:
    a, b = views()
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(1))
    found, expected = vicreg(a[order], b[order]), vicreg(a, b)
    torch.testing.assert_close(tuple(found), tuple(expected))
    unpaired = vicreg(a[order], b)
    assert not torch.isclose(unpaired.invariance, expected.invariance)
    torch.testing.assert_close(unpaired[1:], expected[1:])


def test_equal_views_with_wide_uncorrelated_channels_cost_nothing() -> None:
    z = torch.tensor([[3.0, 3.0], [3.0, -3.0], [-3.0, 3.0], [-3.0, -3.0]])
    assert [float(term) for term in vicreg(z, z)] == [0.0, 0.0, 0.0]


def test_collapsed_rows_cost_the_whole_variance_and_have_a_finite_gradient() -> None:
    a, b = (torch.full((6, 3), value, requires_grad=True) for value in (0.0, 2.0))
    terms = vicreg(a, b)
    assert [float(term.detach()) for term in terms] == pytest.approx([4.0, 0.99, 0.0])
    sum(terms).backward()
    for x in (a, b):
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("shapes", [((1, 3), (1, 3)), ((4, 3), (5, 3)), ((4, 3), (4, 2))])
def test_what_is_no_pair_of_views_is_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"expected two views of the same two or more spots, found shapes \(\d, 3\)"):
        vicreg(*(torch.zeros(shape) for shape in shapes))
