from __future__ import annotations

import inspect

import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from pyg_gears.errors import InputError
from pyg_gears.geometry import similarity_procrustes


def test_a_similarity_is_undone() -> None:
    target = torch.randn(20, 2, dtype=torch.float64)
    mirrored = 3 * target @ torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64) + 2
    found = similarity_procrustes(mirrored, target, allow_reflection=True)
    torch.testing.assert_close(found.aligned, target)
    torch.testing.assert_close(found.scale * mirrored @ found.rotation + found.shift, found.aligned)
    assert found.disparity < 1e-20
    assert similarity_procrustes(mirrored, target, allow_reflection=False).disparity > 0.1


def test_rotation_and_disparity_are_those_of_scipy() -> None:
    a, b = torch.randn(2, 25, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    centred = (a - a.mean(0)).numpy(), (b - b.mean(0)).numpy()
    rotation, total = orthogonal_procrustes(*centred)
    found = similarity_procrustes(a, b, allow_reflection=True)
    torch.testing.assert_close(found.rotation, torch.from_numpy(rotation))
    assert float(found.scale) == pytest.approx(total / (centred[0] ** 2).sum())
    expected = procrustes(b.numpy(), a.numpy())[2]
    assert float(similarity_procrustes(a, b, allow_reflection=True).disparity) == pytest.approx(expected)


def test_without_reflection_no_rotation_is_better() -> None:
    a, b = torch.randn(2, 25, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    found = similarity_procrustes(a, b, allow_reflection=False)
    assert torch.linalg.det(found.rotation) == pytest.approx(1.0)
    centred = a - a.mean(0)
    for angle in torch.linspace(0, 6.283, 60, dtype=torch.float64):
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        moved = found.scale * centred @ turn + b.mean(0)
        assert (moved - b).square().sum() >= (found.aligned - b).square().sum() - 1e-9


def test_allow_reflection_has_no_default() -> None:
    with pytest.raises(TypeError, match="allow_reflection"):
        similarity_procrustes(torch.rand(3, 2), torch.rand(3, 2))


def test_half_precision_is_computed_in_float32() -> None:
    a, b = torch.randn(2, 25, 2, generator=torch.Generator().manual_seed(1))
    expected = similarity_procrustes(a, b, allow_reflection=True)
    found = similarity_procrustes(a.bfloat16(), b.bfloat16(), allow_reflection=True)
    assert found.aligned.dtype == torch.float32
    torch.testing.assert_close(found.rotation, expected.rotation, atol=0.01, rtol=0)


def test_what_cannot_be_matched_is_refused() -> None:
    a = torch.rand(4, 2)
    with pytest.raises(InputError, match=r"of one shape, found \(4, 2\) and \(3, 2\); match them row by row"):
        inspect.unwrap(similarity_procrustes)(a, a[:3], allow_reflection=True)
    with pytest.raises(InputError, match="finite coordinates in target, found NaN or infinity"):
        similarity_procrustes(a, a * torch.nan, allow_reflection=True)
    with pytest.raises(InputError, match="in source, found ndarray; convert them first"):
        inspect.unwrap(similarity_procrustes)(a.numpy(), a, allow_reflection=True)
