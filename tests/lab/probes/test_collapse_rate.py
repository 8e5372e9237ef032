from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pyg_gears.lab.probes.collapse_rate import LIMITS, collapse_rate
from pyg_gears.metrics import collapse_statistics


def laid_out(reading_model, change):
    """A model that predicts ``change(batch)``."""

    def model(batch, **_):
        return dataclasses.replace(reading_model()(batch), coordinates=(change(batch),))

    return model


def true_positions(minisets, batch) -> torch.Tensor:
    slide = batch.slide_id[batch.batch]
    return torch.stack([minisets.slides[s].pos[i] for s, i in zip(slide.tolist(), batch.node_id.tolist(), strict=True)])


def test_values_of_every_miniset_by_number(minisets, reading_model) -> None:
    model = laid_out(reading_model, lambda batch: batch.x[:, 1:3])
    found = collapse_rate(model, minisets, node_budget=90)
    for number in range(len(minisets)):
        graph = minisets[number]
        true = minisets.slides[int(graph.slide_id)].pos[graph.node_id]
        alone, truth = collapse_statistics(graph.x[:, 1:3]), collapse_statistics(true)
        for name in LIMITS:
            assert found.truth[name][number] == pytest.approx(getattr(truth, name))
            assert found.predicted[name][number] == pytest.approx(getattr(alone, name), rel=1e-5)
    passed = [[found.truth[name][i] >= LIMITS[name] for name in LIMITS] for i in range(len(minisets))]
    assert found.true_rate == np.mean([all(each) for each in passed])


def test_the_truth_predicted_passes_where_the_truth_does(minisets, reading_model) -> None:
    found = collapse_rate(laid_out(reading_model, lambda batch: true_positions(minisets, batch)), minisets)
    assert found.rate == found.true_rate
    for name in LIMITS:
        np.testing.assert_allclose(found.predicted[name], found.truth[name])
        assert found.passing[name] == np.mean(found.truth[name] >= LIMITS[name])


def test_collapsed_layouts(minisets, reading_model) -> None:
    graphs = [minisets[i] for i in range(len(minisets))]
    point = collapse_rate(laid_out(reading_model, lambda batch: torch.zeros_like(batch.x[:, :2])), graphs)
    assert (point.rate, *point.passing.values()) == (0, 0, 0, 0)
    assert point.truth == {}
    assert np.isnan(point.true_rate)
    line = collapse_rate(
        laid_out(reading_model, lambda batch: torch.arange(batch.num_nodes)[:, None] * torch.tensor([1.0, 0.01])),
        graphs,
    )
    assert line.passing == {"eigenvalue_ratio": 0, "nn_p5": 1, "median_distance": 1}
    assert line.rate == 0
    lost = collapse_rate(laid_out(reading_model, lambda batch: batch.x[:, :2] * torch.nan), minisets)
    assert lost.rate == 0


def test_limit_of_random_points_and_lattices() -> None:
    generator = torch.Generator().manual_seed(0)
    angle, radius = 2 * torch.pi * torch.rand(4000, generator=generator), torch.rand(4000, generator=generator).sqrt()
    disc = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert collapse_statistics(disc).nn_p5 == pytest.approx(0.32 / 4000**0.5, rel=0.1)
    grid = torch.cartesian_prod(torch.arange(-40.0, 41), torch.arange(-40.0, 41))
    grid = grid[grid.norm(dim=1) <= 40]
    assert collapse_statistics(grid).nn_p5 == pytest.approx(2.5 / len(grid) ** 0.5, rel=0.02)
