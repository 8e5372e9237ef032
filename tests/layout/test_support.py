from __future__ import annotations

import numpy as np
import torch

from pyg_gears.layout import TrainingSupport


def make(n: int = 200, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pos = torch.randn(n, 2, generator=generator)
    x = torch.cat([pos, 0.1 * torch.randn(n, 3, generator=generator)], dim=1)
    return x, 100 * pos + 7


def test_scatter_is_the_formula() -> None:
    slides = [make(80, 1), make(60, 2)]
    support = TrainingSupport.build(slides, torch.cat([x for x, _ in slides]))
    query = make(20, 3)[0]
    expected = np.zeros(20)
    for x, pos in slides:
        y = pos.double() - pos.double().mean(0)
        y = (y / y.square().sum(1).mean().sqrt()).numpy()
        for i in range(20):
            similarity = torch.cosine_similarity(query[i : i + 1], x)
            near = y[similarity.argsort(descending=True)[:15].numpy()]
            expected[i] += np.sqrt(((near - near.mean(0)) ** 2).sum(1).mean()) / 2
    np.testing.assert_allclose(support.scatter(query), expected, rtol=1e-4)


def test_scatter_tells_place_from_noise() -> None:
    support = TrainingSupport.build([make()], make()[0])
    known = support.scatter(make(seed=5)[0])
    x, pos = make()
    nothing = TrainingSupport.build([(x[torch.randperm(200, generator=torch.Generator().manual_seed(1))], pos)], x)
    assert known.mean() < 0.7 * nothing.scatter(x).mean()
    np.testing.assert_allclose(nothing.scatter(x).mean(), 1.0, atol=0.1)


def test_the_memory_of_a_scan_is_bounded(monkeypatch) -> None:
    support = TrainingSupport.build([make(200, 1)], make(200, 1)[0])
    query = make(90, 2)[0]
    whole, held = support.scatter(query), []
    topk = torch.Tensor.topk
    monkeypatch.setattr(torch.Tensor, "topk", lambda self, *a, **k: held.append(self.numel()) or topk(self, *a, **k))
    monkeypatch.setattr("pyg_gears.layout.support.CHUNK", 1000)
    np.testing.assert_allclose(support.scatter(query), whole, rtol=1e-5)
    assert max(held) <= 1000
    assert len(held) == 18


def test_signal_falls_with_the_length_of_the_embedding() -> None:
    x, pos = make()
    support = TrainingSupport.build([(x, pos)], x)
    assert support.signal(x / 2) == 0.5
    assert support.signal(x * 3) == 1.0


def test_state_survives() -> None:
    support = TrainingSupport.build([make()], make()[0])
    query = make(30, 4)[0]
    again = TrainingSupport.from_state_dict(support.state_dict())
    np.testing.assert_array_equal(again.scatter(query), support.scatter(query))
