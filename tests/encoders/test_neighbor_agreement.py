from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.encoders.neighbor_agreement import neighbor_agreement


def slow(x: np.ndarray, pos: np.ndarray, k: int, m: int, metric: str) -> tuple[float, float, float]:
    """The formula, spot by spot."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    overlap, recall, reach = [], [], []
    far = np.linalg.norm(pos[:, None] - pos, axis=2)
    for i in range(len(x)):
        by_x = 1 - unit @ unit[i] if metric == "cosine" else np.linalg.norm(x - x[i], axis=1)
        near_x = [j for j in np.argsort(by_x, kind="stable") if j != i]
        near_pos = [j for j in np.argsort(far[i], kind="stable") if j != i][:k]
        overlap.append(len(set(near_x[:k]) & set(near_pos)) / k)
        recall.append(len(set(near_x[:m]) & set(near_pos)) / k)
        reach.append(far[i, near_x[:k]].mean())
    mean = far[np.triu_indices(len(x), 1)].mean()
    return float(np.mean(overlap)), float(np.mean(recall)), float(np.mean(reach) / mean)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_it_is_the_formula(metric: str) -> None:
    generator = np.random.default_rng(0)
    pos = generator.uniform(size=(70, 2))
    x = np.concatenate([pos, generator.normal(size=(70, 3)) * 0.3], axis=1)
    found = neighbor_agreement(torch.tensor(x), torch.tensor(pos), k=7, recall_k=15, metric=metric)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, slow(x, pos, 7, 15, metric), rtol=1e-9)


def test_unit_pose_and_order_of_the_slide_do_not_matter() -> None:
    generator = torch.Generator().manual_seed(1)
    x, pos = torch.randn(60, 5, generator=generator), torch.rand(60, 2, generator=generator).double()
    turned = 250 * pos @ torch.tensor([[0.6, 0.8], [0.8, -0.6]]).double() + 17
    order = torch.randperm(60, generator=generator)
    expected = neighbor_agreement(x, pos)
    np.testing.assert_allclose(neighbor_agreement(x, turned), expected, rtol=1e-9)
    np.testing.assert_allclose(neighbor_agreement(x[order], pos[order]), expected, rtol=1e-9)


def test_chance_and_perfection() -> None:
    generator = torch.Generator().manual_seed(2)
    pos = torch.rand(1500, 2, generator=generator)
    noise = neighbor_agreement(torch.randn(1500, 10, generator=generator), pos)
    assert noise.overlap == pytest.approx(20 / 1499, abs=0.004)
    assert noise.recall == pytest.approx(100 / 1499, abs=0.01)
    assert noise.mean_distance == pytest.approx(1.0, abs=0.02)
    perfect = neighbor_agreement(pos, pos, metric="euclidean")
    assert perfect[:2] == (1.0, 1.0)
    assert perfect.mean_distance < 0.15


def test_small_slides_clip_k() -> None:
    x = torch.eye(4)
    assert neighbor_agreement(x, torch.arange(8.0).reshape(4, 2))[:2] == (1.0, 1.0)


def test_beyond_the_pairs_that_are_drawn_neighbours_by_chance_are_as_far_as_any() -> None:
    generator = torch.Generator().manual_seed(3)
    x, pos = torch.randn(1000, 20, generator=generator), torch.rand(1000, 2, generator=generator)
    assert neighbor_agreement(x, pos).mean_distance == pytest.approx(1, abs=0.02)


def test_bad_input() -> None:
    x = torch.zeros(5, 2)
    with pytest.raises(ValueError, match=r"same two or more spots, found 5 and 4 rows"):
        neighbor_agreement(x, x[:4])
    with pytest.raises(ValueError, match=r"found 1 and 1 rows"):
        neighbor_agreement(x[:1], x[:1])
    with pytest.raises(ValueError, match=r"expected 1 <= k <= recall_k, found k=8 and recall_k=3"):
        neighbor_agreement(x, x, k=8, recall_k=3)
