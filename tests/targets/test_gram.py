"""The Gram target and its alignment against plain matrices."""

from __future__ import annotations

import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.targets import gram_factor, orthogonal_alignment
from pyg_gears.targets.orthogonal_alignment import centred_sets, radius
from pyg_gears.testing import assert_pose_invariant
from pyg_gears.transforms import CandidateGraph, GeometricTargets, GramFactor


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_factor_is_that_of_the_gram_matrix() -> None:
    pos = points(30, 2) * torch.tensor([3.0, 1.0]) + 5
    unit = 2.5
    y = (pos - pos.mean(dim=0)) / unit
    gram = y @ y.T
    factor = gram_factor(pos, unit)
    torch.testing.assert_close(factor @ factor.T, gram)
    value, vector = torch.linalg.eigh(gram)
    slow = vector.flip(1)[:, :2] * value.flip(0)[:2].sqrt()
    torch.testing.assert_close(factor.abs(), slow.abs())
    assert (factor.pow(3).sum(dim=0) > 0).all()
    assert value.flip(0)[2:].abs().max() < 1e-9  # 30 more columns would hold nothing


def test_no_pose_is_left_and_the_unit_is_the_callers() -> None:
    pos = points(25, 2, seed=3) * torch.tensor([2.0, 1.0])
    assert_pose_invariant(gram_factor, pos, allow_reflection=True, tol=1e-9)
    whole = gram_factor(pos)
    assert whole.square().sum(dim=1).mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(gram_factor(pos, 0.5), 4 * gram_factor(pos, 2.0))
    assert gram_factor(pos.half()).dtype == torch.float32
    assert torch.equal(gram_factor(torch.ones(4, 2)), torch.zeros(4, 2))
    with pytest.raises(InputError, match=r"a positive unit of length, found 0\.0"):
        gram_factor(pos, 0.0)


@pytest.mark.parametrize("k", [2, 5])
def test_alignment_is_procrustes_set_by_set(k: int) -> None:
    source, target = points(3, 9, k) + 1, points(3, 9, 5, seed=1) - 2
    size = [9, 6, 4]
    mask = torch.arange(9) < torch.tensor(size)[:, None]
    found = orthogonal_alignment(source, target, mask)
    torch.testing.assert_close(found @ found.transpose(1, 2), torch.eye(k, dtype=torch.float64).expand(3, k, k))
    for b, n in enumerate(size):
        x, y = (part[b, :n] - part[b, :n].mean(dim=0) for part in (source, target))
        padded = torch.cat([x, torch.zeros(n, 5 - k, dtype=torch.float64)], dim=1)
        expected = torch.from_numpy(orthogonal_procrustes(padded.numpy(), y.numpy())[0])
        torch.testing.assert_close(x @ found[b], padded @ expected, atol=1e-9, rtol=1e-9)


def test_the_gradient_at_a_fixed_turn_is_the_whole_gradient() -> None:
    """Of the least distance to a planar target, in 6 dimensions: through the decomposition it is not finite."""
    target = centred_sets(points(1, 12, 2, seed=2), None)

    def least(v: Tensor) -> Tensor:
        return (target @ orthogonal_alignment(target, v) - centred_sets(v, None)).square().mean()

    v = points(1, 12, 6).requires_grad_()
    assert torch.autograd.gradcheck(least, v)
    (exact,) = torch.autograd.grad(least(v), v)
    padded = torch.cat([target, torch.zeros(1, 12, 4, dtype=torch.float64)], dim=2)
    u, _, wt = torch.linalg.svd(padded.transpose(1, 2) @ centred_sets(v, None))
    (through,) = torch.autograd.grad((padded @ u @ wt - v).square().mean(), v)
    assert torch.isfinite(exact).all()
    assert not torch.isfinite(through).all() or (through - exact).norm() > 1e3 * exact.norm()


def test_centre_and_radius_of_padded_sets() -> None:
    values, mask = points(2, 5, 3), torch.tensor([[True] * 5, [True, True, False, False, False]])
    values[1, 2:] = torch.nan
    found = centred_sets(values, mask)
    torch.testing.assert_close(found[1, :2], values[1, :2] - values[1, :2].mean(dim=0))
    assert torch.equal(found[1, 2:], torch.zeros(3, 3, dtype=torch.float64))
    expected = [
        float(found[0].norm(dim=1).square().mean().sqrt()),
        float(found[1, :2].norm(dim=1).square().mean().sqrt()),
    ]
    assert radius(found, mask).tolist() == pytest.approx(expected)


def test_the_transform_sets_the_field_in_the_units_of_the_slides() -> None:
    graphs = [Data(x=points(8, 3, seed=i), pos=points(8, 2, seed=i), slide_id=torch.tensor([i])) for i in (0, 4)]
    transform = GramFactor({0: 2.0, 4: 0.5})
    batch = transform(Batch.from_data_list(graphs))
    expected = [gram_factor(graph.pos, unit) for graph, unit in zip(graphs, (2.0, 0.5), strict=True)]
    torch.testing.assert_close(batch.gram_factor, torch.cat(expected))
    whole = CandidateGraph(3)(GeometricTargets()(transform(graphs[0])))
    assert "pos" not in whole
    torch.testing.assert_close(whole.gram_factor, expected[0])
    torch.testing.assert_close(GramFactor()(graphs[1].clone()).gram_factor, gram_factor(graphs[1].pos))
    assert repr(transform) == "GramFactor({0: 2.0, 4: 0.5})"
    with pytest.raises(InputError, match=r"data\.pos, found none; apply GramFactor before"):
        transform(whole)
    with pytest.raises(InputError, match="expected a slide among 0, 4, found 7"):
        transform(Data(pos=points(8, 2), slide_id=torch.tensor([7])))
