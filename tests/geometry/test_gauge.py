from __future__ import annotations

import pytest
import torch

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
