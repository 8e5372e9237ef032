from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import distill_distances, distill_walk
from pyg_gears.transforms import GeometricTargets


def example() -> tuple[Batch, torch.Tensor, torch.Tensor, tuple[int, ...]]:
    generator, sizes = torch.Generator().manual_seed(0), (22, 35)
    data = [GeometricTargets()(Data(pos=torch.rand(n, 2, dtype=torch.float64, generator=generator))) for n in sizes]
    first, second = (torch.randn(sum(sizes), 2, dtype=torch.float64, generator=generator) for _ in range(2))
    return Batch.from_data_list(data), first, second, sizes


def slow_walk(batch: Batch, pos: torch.Tensor, n: int, start: int) -> torch.Tensor:
    x = gauge_fix(pos[start : start + n])
    w = torch.zeros(n, n, dtype=pos.dtype)
    for j, i, m in zip(*batch.rw_edge_index.tolist(), batch.rw_multiplicity.tolist(), strict=True):
        if start <= i < start + n:
            square = (x[i - start] - x[j - start]).square().sum()
            w[i - start, j - start] = m * torch.exp(-square / (batch.sigma[i] * batch.sigma[j] + 1e-8))
    return w / w.sum(dim=1, keepdim=True)


def test_walk_distillation_is_the_formula() -> None:
    batch, pos, teacher, sizes = example()
    total, start = 0.0, 0
    for n in sizes:
        p, q = slow_walk(batch, teacher, n, start), slow_walk(batch, pos, n, start)
        inside = p > 0
        total += float((p[inside] * (p[inside] / q[inside]).log()).sum()) / n / len(sizes)
        start += n
    assert float(distill_walk(pos, teacher, batch)) == pytest.approx(total, rel=1e-6)


def test_distance_distillation_is_the_formula() -> None:
    batch, pos, teacher, sizes = example()
    total, start = 0.0, 0
    for n in sizes:
        pairs = [(i, j) for i, j in batch.stress_edge_index.T.tolist() if start <= i < start + n]
        d = torch.stack([(pos[i] - pos[j]).norm() for i, j in pairs])
        t = torch.stack([(teacher[i] - teacher[j]).norm() for i, j in pairs])
        scale = (d * t).sum() / d.square().sum()
        total += float((scale * d - t).square().sum() / t.square().sum()) / len(sizes)
        start += n
    assert float(distill_distances(pos, teacher, batch)) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("loss", [distill_walk, distill_distances])
def test_a_similar_layout_costs_nothing_and_only_the_pupil_moves(loss) -> None:
    batch, pos, teacher, _ = example()
    turn = torch.tensor([[0.6, -0.8], [-0.8, -0.6]], dtype=torch.float64)  # a mirror too
    assert float(loss(3.0 * teacher @ turn + 2.0, teacher, batch)) == pytest.approx(0.0, abs=1e-9)
    pos.requires_grad_()
    teacher.requires_grad_()
    loss(pos, teacher, batch).backward()
    assert teacher.grad is None
    assert float(pos.grad.abs().max()) > 0
    torch.autograd.gradcheck(lambda x: loss(x, teacher.detach(), batch), pos.detach().requires_grad_())
