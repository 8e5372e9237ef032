from __future__ import annotations

import pytest
import torch

from pyg_gears.training.spot_draw import draw_spots


def test_few_spots_are_all_drawn() -> None:
    rows = torch.tensor([1, 4, 6])
    found = draw_spots(torch.rand(8, 2), rows, 3, torch.Generator().manual_seed(0))
    assert torch.equal(found, rows)


@pytest.mark.parametrize("count", [40, 41])
def test_half_of_the_drawn_spots_fill_a_disc(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pos = torch.rand(200, 2, generator=generator, dtype=torch.float64)
    rows = torch.randperm(200, generator=generator)[:150].sort().values
    draws = []
    for _ in range(60):
        found = draw_spots(pos, rows, count, generator)
        assert len(found) == count
        assert (found.diff() > 0).all()
        assert torch.isin(found, rows).all()
        drawn = set(found.tolist())
        # Around one of the drawn spots the nearest half-batch of rows is drawn without a gap.
        nearest = [set(rows[(pos[rows] - pos[i]).norm(dim=1).argsort()[: count // 2]].tolist()) for i in drawn]
        assert any(disc <= drawn for disc in nearest)
        draws.append(drawn)
    assert set.union(*draws) == set(rows.tolist())
    again = draw_spots(pos, rows, count, torch.Generator().manual_seed(9))
    assert torch.equal(again, draw_spots(pos, rows, count, torch.Generator().manual_seed(9)))


def test_the_rest_of_a_batch_comes_from_everywhere() -> None:
    """Outside the disc every spot is as likely as any other."""
    generator = torch.Generator().manual_seed(0)
    pos = torch.stack([torch.arange(100.0), torch.zeros(100)], dim=1).double()
    outside = torch.zeros(2)
    for _ in range(300):
        found = draw_spots(pos, torch.arange(100), 32, generator)
        gap = found.diff()
        runs = [run for run in torch.tensor_split(found, (gap > 1).nonzero()[:, 0] + 1) if len(run) >= 16]
        assert runs
        if 40 < float(runs[0].double().mean()) < 60:
            rest = found[(found < runs[0].min()) | (found > runs[0].max())]
            outside += torch.stack([(rest < 20).sum(), (rest >= 80).sum()])
    assert float(outside.sum()) > 200
    assert 0.7 < float(outside[0] / outside[1]) < 1.4
