from __future__ import annotations

import math

import pytest
import torch

from pyg_gears.nn.qk_scale import qk_scale, starting_tau


def test_scales_of_one_product() -> None:
    query, key = torch.randn(2, 5, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    tau = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)

    def norm(t: torch.Tensor) -> torch.Tensor:
        centred = t - t.mean(dim=-1, keepdim=True)
        return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()

    cosine = (norm(query) * norm(key)).sum(dim=-1)
    for mode, expected in (
        ("plain", (query * key).sum(dim=-1) / math.sqrt(8)),
        ("divided", tau * cosine / math.sqrt(8)),
        ("published", tau * cosine),
        ("learned", tau * cosine),
    ):
        left, right = qk_scale(query, key, mode, tau)
        torch.testing.assert_close((left * right).sum(dim=-1), expected)
    # At the published scale a logit can be as large as tau * d, divided no larger than tau * sqrt(d).
    left, right = qk_scale(query, query, "published", torch.tensor(4.6, dtype=torch.float64))
    assert (left * right).sum(dim=-1).max() == pytest.approx(4.6 * 8, rel=1e-3)


def test_where_a_temperature_starts() -> None:
    assert starting_tau("plain", 16, None) is None
    assert starting_tau("published", 16, None) == 1.0
    assert starting_tau("learned", 16, None) == 4.0
    assert starting_tau("learned", 16, 2.0, (1.0, 10.0)) == 2.0
