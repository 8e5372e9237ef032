from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.lab.probes.graph_recovery import graph_recovery

VARIANTS = ["cosine", "euclidean", "whitened", "pca", "shuffled"]


def slow_recovery(distance: np.ndarray, true: np.ndarray, k: int, steps) -> tuple[float, dict[int, float]]:
    """Jaccard and diffusion agreement of two dense tables of distances, by loops."""
    n = len(distance)
    near = []
    for table in (distance, true):
        table = table.copy()
        np.fill_diagonal(table, np.inf)
        near.append([set(np.argsort(row, kind="stable")[:k].tolist()) for row in table])
    jaccard = np.mean([len(a & b) / len(a | b) for a, b in zip(*near, strict=True)])
    walks = []
    for lists in near:
        graph = np.array([[j in lists[i] or i in lists[j] for j in range(n)] for i in range(n)], dtype=float)
        walks.append(graph / graph.sum(axis=1, keepdims=True))
    powers = {t: [np.linalg.matrix_power(walk, t) for walk in walks] for t in steps}
    return jaccard, {
        t: np.mean([1 - abs(a - b).sum() / 2 for a, b in zip(*two, strict=True)]) for t, two in powers.items()
    }


def distances(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[:, None] - x[None], axis=2)


@pytest.fixture
def slide() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pos = torch.rand(60, 2, generator=generator)
    noise = torch.randn(60, 4, generator=generator) * torch.tensor([0.3, 0.2, 0.1, 0.02])
    return torch.cat([pos, noise], dim=1), pos


def test_every_variant_equals_the_loops(slide) -> None:
    x, pos = slide
    found = graph_recovery(x, pos, k=6, recall_k=12, steps=(1, 3))
    assert list(found) == VARIANTS
    h = x.double().numpy()
    centred = h - h.mean(axis=0)
    value, axes = np.linalg.eigh(np.cov(h.T))
    scores = centred @ axes[:, ::-1]
    kept = int((np.cumsum(value[::-1]) / value.sum() < 0.9).sum()) + 1
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    tables = {
        "cosine": 1 - unit @ unit.T,
        "euclidean": distances(h),
        "whitened": distances(scores / np.sqrt(value[::-1])),
        "pca": distances(scores[:, :kept]),
    }
    assert 2 <= kept < 6
    true = distances(pos.double().numpy())
    for name, table in tables.items():
        jaccard, diffusion = slow_recovery(table, true, 6, (1, 3))
        assert found[name].jaccard == pytest.approx(jaccard), name
        assert found[name].diffusion == pytest.approx(diffusion), name
        order = np.argsort(table + 1e9 * np.eye(60), axis=1, kind="stable")
        near = np.argsort(true + 1e9 * np.eye(60), axis=1, kind="stable")[:, :6]
        overlap = np.mean([len(set(a[:6]) & set(b)) / 6 for a, b in zip(order, near, strict=True)])
        recall = np.mean([len(set(a[:12]) & set(b)) / 6 for a, b in zip(order, near, strict=True)])
        assert (found[name].overlap, found[name].recall) == pytest.approx((overlap, recall))


def test_coordinates_recover_themselves_and_chance_does_not(slide) -> None:
    _, pos = slide
    found = graph_recovery(pos, pos, k=6, recall_k=12)
    assert found["euclidean"].overlap == found["euclidean"].jaccard == 1
    assert found["euclidean"].diffusion == pytest.approx({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0})
    chance = found["shuffled"]
    assert chance.overlap < 0.25
    assert chance.diffusion[1] < chance.diffusion[8] < 0.9
    assert graph_recovery(pos, pos, k=6, recall_k=12, seed=1)["shuffled"] != chance


def test_many_spots_start_walks_from_a_part(slide) -> None:
    generator = torch.Generator().manual_seed(1)
    pos = torch.rand(700, 2, generator=generator)
    x = pos + 0.02 * torch.randn(700, 2, generator=generator)
    found = graph_recovery(x, pos, steps=(2,))["euclidean"].diffusion[2]
    _, exact = slow_recovery(distances(x.double().numpy()), distances(pos.double().numpy()), 20, (2,))
    assert found == pytest.approx(exact[2], abs=0.01)


def test_refusals(slide) -> None:
    x, pos = slide
    with pytest.raises(ValueError, match="expected walks of at least one step"):
        graph_recovery(x, pos, steps=(0, 1))
    with pytest.raises(ValueError, match="same two or more spots"):
        graph_recovery(x[:5], pos)
