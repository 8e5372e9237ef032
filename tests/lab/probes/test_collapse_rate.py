from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pyg_gears.data import MinisetDataset
from pyg_gears.lab.probe import PUBLISHED
from pyg_gears.lab.probes.collapse_rate import LIMITS, PROBE, collapse_rate
from pyg_gears.lab.probes.subject import OnSlide
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
    assert (lost.finite, line.finite) == (0, 1)


def test_layouts_are_judged_relative_to_the_truth(make_minisets, reading_model) -> None:
    """Random points miss the published limit, so that no layout of them can pass; half of the truth's figures they reach."""
    minisets = make_minisets(30)
    truth = collapse_rate(laid_out(reading_model, lambda batch: true_positions(minisets, batch)), minisets)
    assert truth.relative_rate == 1
    assert truth.true_rate < 0.99
    finite, relative, published = PROBE.requirements((OnSlide("a", "held out", (truth,)),))
    assert finite.passed
    assert relative.passed
    assert (published.passed, published.basis) == (False, PUBLISHED)
    squeezed = laid_out(reading_model, lambda batch: true_positions(minisets, batch) * torch.tensor([1.0, 0.3]))
    assert collapse_rate(squeezed, minisets).relative_rate < 0.5
    lost = collapse_rate(laid_out(reading_model, lambda batch: batch.x[:, :2] * torch.nan), [minisets[0]])
    checks = PROBE.requirements((OnSlide("a", "held out", (lost,)),))
    assert [check.passed for check in checks] == [False, None, False]


def test_a_lattice_asks_no_layout_for_more_than_random_points_have(minisets, reading_model) -> None:
    """On a lattice a blurred copy of the truth is healthy, and clumps are not."""
    grid = torch.cartesian_prod(torch.arange(12.0), torch.arange(10.0)).double()
    slides = [slide._replace(pos=grid) for slide in minisets.slides]
    dataset = MinisetDataset(slides, minisets.recipe, pre_transform=minisets.pre_transform)
    noise = torch.randn(120, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def blurred(batch):
        return true_positions(dataset, batch) + 0.4 * noise[batch.node_id]

    def clumped(batch):
        return (true_positions(dataset, batch) / 3).round()

    found = collapse_rate(laid_out(reading_model, blurred), dataset)
    assert found.true_rate == 1
    assert found.relative_rate > 0.6
    assert collapse_rate(laid_out(reading_model, clumped), dataset).relative_rate == 0


def test_limit_of_random_points_and_lattices() -> None:
    generator = torch.Generator().manual_seed(0)
    angle, radius = 2 * torch.pi * torch.rand(4000, generator=generator), torch.rand(4000, generator=generator).sqrt()
    disc = radius[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert collapse_statistics(disc).nn_p5 == pytest.approx(0.32 / 4000**0.5, rel=0.1)
    grid = torch.cartesian_prod(torch.arange(-40.0, 41), torch.arange(-40.0, 41))
    grid = grid[grid.norm(dim=1) <= 40]
    assert collapse_statistics(grid).nn_p5 == pytest.approx(2.5 / len(grid) ** 0.5, rel=0.02)
