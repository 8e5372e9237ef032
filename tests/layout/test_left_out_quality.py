from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.layout import left_out_quality


def slide(n: int, seed: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Expression that tells the place in a rectangle but for noise, on waves of either coordinate; places in another unit."""
    rng = np.random.default_rng(seed)
    pos = rng.random((n, 2)) * [3.0, 2.0]
    x = np.concatenate([np.sin(pos), np.cos(pos)], axis=1) + noise * rng.standard_normal((n, 4))
    return torch.from_numpy(x).float(), torch.from_numpy(100 * pos + 7).float()


@pytest.mark.parametrize("slides", [1, 2])
def test_quality_falls_with_noise_and_scatter_rises(slides):
    found = [left_out_quality([slide(300, i, noise) for i in range(slides)]) for noise in (0.05, 0.5, 5.0)]
    for one in found:  # a slide alone: as many made-up spots follow
        assert one.scatter.shape == one.quality.shape == (600,)
    real = 300 * slides
    quality, scatter = [one.quality[:real].mean() for one in found], [one.scatter[:real].mean() for one in found]
    assert quality[0] > 0.85 > quality[1] > quality[2] + 0.1
    assert abs(quality[2]) < 0.25
    assert scatter[0] < scatter[1] < scatter[2]


def test_a_spot_is_never_its_own_neighbour():
    # Expression that names the spot and says nothing about its place: only spots that may find themselves know theirs.
    rng = np.random.default_rng(0)
    x, pos = (torch.from_numpy(rng.standard_normal((300, c))).float() for c in (30, 2))
    found = left_out_quality([(x, pos)])
    assert abs(found.quality[:300].mean()) < 0.3
    assert found.scatter[:300].mean() > 0.5


def test_made_up_spots_of_a_slide_alone_know_nothing_of_their_place():
    found = left_out_quality([slide(300, 0, 0.05)], seed=3)
    made_up = found.quality[300:]
    assert abs(made_up.mean()) < 0.1 < found.quality[:300].mean() - 0.7
    # Of 15 places drawn from a distribution of unit mean square radius, the mean square distance from their mean is 14 / 15.
    assert np.mean(found.scatter[300:] ** 2) == pytest.approx(14 / 15, rel=0.03)
    again, other = left_out_quality([slide(300, 0, 0.05)], seed=3), left_out_quality([slide(300, 0, 0.05)], seed=4)
    assert np.array_equal(again.scatter, found.scatter)
    assert not np.array_equal(other.scatter[300:], found.scatter[300:])


def test_slides_are_placed_by_the_others_in_the_order_given():
    clear, blurred = slide(200, 0, 0.02), slide(150, 1, 3.0)
    forth, back = left_out_quality([clear, blurred]), left_out_quality([blurred, clear])
    assert np.allclose(forth.quality, np.concatenate([back.quality[150:], back.quality[:150]]))
    assert np.allclose(forth.scatter, np.concatenate([back.scatter[150:], back.scatter[:150]]))
