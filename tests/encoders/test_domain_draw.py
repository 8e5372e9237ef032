from __future__ import annotations

import torch

from pyg_gears.encoders import domain_draw


def test_domains_and_their_slides_have_equal_parts() -> None:
    spots = [torch.arange(0, 40), torch.arange(40, 45), torch.arange(45, 100)]
    cells = [torch.arange(100, 400)]
    seen = set()
    for seed in range(20):
        drawn = domain_draw([spots, cells], 64, torch.Generator().manual_seed(seed))
        assert [len(part) for part in drawn] == [32, 32]
        own = [torch.isin(drawn[0], slide) for slide in spots]
        assert sorted(int(part.sum()) for part in own) == [10, 11, 11]
        for part in (own[0], own[2]):  # enough spots: none twice
            assert drawn[0][part].unique().numel() == int(part.sum())
        assert bool((drawn[1] >= 100).all())
        assert drawn[1].unique().numel() == 32
        seen |= set(drawn[0].tolist())
    assert seen == set(range(100))
    again = domain_draw([spots, cells], 64, torch.Generator().manual_seed(19))
    assert all(torch.equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_few_rows_are_drawn_again() -> None:
    (one, two) = domain_draw([[torch.tensor([7])], [torch.tensor([1, 2])]], 12, torch.Generator().manual_seed(0))
    assert one.tolist() == [7] * 6
    assert set(two.tolist()) <= {1, 2}
    assert len(two) == 6
