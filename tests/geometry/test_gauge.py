from __future__ import annotations

import inspect

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix, principal_frame


def similarity(pos: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(2, 2, generator=generator, dtype=pos.dtype))
    scale, shift = (
        0.1 + 5 * torch.rand(1, generator=generator, dtype=pos.dtype),
        torch.randn(2, generator=generator, dtype=pos.dtype),
    )
    return scale * pos @ q + shift


def test_gauge_has_zero_mean_and_unit_rms_per_graph() -> None:
    pos = torch.randn(50, 2, dtype=torch.float64) * 7 + 3
    batch = torch.tensor([0] * 20 + [1] * 30)
    fixed = gauge_fix(pos, batch)
    for graph in (0, 1):
        part = fixed[batch == graph]
        assert part.mean(dim=0).abs().max() < 1e-12
        assert part.square().sum(dim=1).mean().sqrt() == pytest.approx(1.0)
        torch.testing.assert_close(part, gauge_fix(pos[batch == graph]))


def test_gauge_differentiates_everywhere() -> None:
    same = torch.zeros(5, 2, dtype=torch.float64, requires_grad=True)
    gauge_fix(same).sum().backward()
    assert torch.isfinite(same.grad).all()
    pos = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    batch = torch.tensor([0, 0, 0, 1, 1, 1])
    assert torch.autograd.gradcheck(lambda p: gauge_fix(p, batch), pos)


@pytest.mark.parametrize("seed", range(5))
def test_principal_frame_is_one_pose_for_all_similarities(seed: int) -> None:
    pos = torch.randn(40, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64).exp() * torch.tensor(
        [2.0, 1.0]
    )
    torch.testing.assert_close(principal_frame(similarity(pos, seed)), principal_frame(pos))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_nodes_for_two_axes_keep_both_coordinates(n: int) -> None:
    assert torch.equal(principal_frame(torch.full((n, 2), 3.0)), torch.zeros(n, 2))


@pytest.mark.parametrize("frame", [gauge_fix, principal_frame, lambda pos: gauge_fix(pos, torch.zeros(40).long(), 1)])
def test_nodes_without_a_place_keep_none_and_take_no_part(frame) -> None:
    pos = torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    kept = torch.ones(40, dtype=torch.bool)
    kept[[0, 7, 39]] = False
    holes = pos.clone()
    holes[~kept] = torch.nan
    found = frame(holes)
    assert found[~kept].isnan().all()
    half = pos.clone()
    half[~kept, 0] = torch.nan
    torch.testing.assert_close(frame(half), found, equal_nan=True)
    expected = principal_frame(pos[kept]) if frame is principal_frame else gauge_fix(pos[kept])
    torch.testing.assert_close(found[kept], expected)


def test_a_graph_that_is_nowhere_leaves_the_others_alone() -> None:
    pos = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
    batch = torch.arange(20) // 10
    holes = pos.clone()
    holes[:10] = torch.nan
    torch.testing.assert_close(gauge_fix(holes, batch)[10:], gauge_fix(pos[10:]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_principal_frame_in_half_precision(dtype: torch.dtype) -> None:
    pos = torch.randn(40, 2, generator=torch.Generator().manual_seed(9)).exp() * torch.tensor([300.0, 1.0])
    found = principal_frame(pos.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), principal_frame(pos), atol=0.05, rtol=0)


def test_other_shapes_are_refused() -> None:
    """A batch of one layout of three dimensions would be taken for points of its own, all at the origin."""
    with pytest.raises(
        InputError,
        match=r"float coordinates of shape \(n, d\) in pos, found a torch\.float32 tensor of shape \(1, 5, 2\)",
    ):
        inspect.unwrap(gauge_fix)(torch.rand(1, 5, 2))
    with pytest.raises(InputError, match="in pos, found ndarray; convert them first"):
        inspect.unwrap(gauge_fix)(torch.rand(5, 2).numpy())
