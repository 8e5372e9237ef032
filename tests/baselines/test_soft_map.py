from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.baselines import fit_map, map_similarity, soft_map
from pyg_gears.data import Slide, pseudo_spots
from pyg_gears.errors import InputError
from pyg_gears.metrics import distance_agreement


def section(n: int = 240, seed: int = 0, genes: int = 60) -> Slide:
    """Cells whose expression follows no place at all: only a map that recognises the cells can find them."""
    generator = np.random.default_rng(seed)
    counts = generator.poisson(generator.gamma(0.5, 4.0, size=(n, genes)))
    names = tuple(f"g{i}" for i in range(genes))
    return Slide(
        "tissue",
        csr_array(counts.astype(np.float32)),
        names,
        tuple(f"c{i}" for i in range(n)),
        generator.uniform(0, 9, size=(n, 2)),
    )


def test_cells_are_recognised_in_the_spots_that_they_are_part_of_and_only_there() -> None:
    tissue = section()
    found = pseudo_spots(tissue, 8)
    layout = soft_map([found.slide], replace(tissue, pos=None), steps=200)
    assert tissue.pos is not None
    inside, between = (
        distance_agreement(layout.best[part], tissue.pos[part]).spearman for part in (found.inside, ~found.inside)
    )
    assert inside > 0.8
    assert abs(between) < 0.2
    assert layout.similarity[0] > 0.9
    assert distance_agreement(layout.expected[found.inside], tissue.pos[found.inside]).spearman > 0.7
    places = {tuple(place) for place in np.round(layout.best, 9)}
    assert len(places) <= len(found.slide)


def test_cells_of_no_spot_stay_out_of_the_sums_where_they_may() -> None:
    tissue = section()
    found = pseudo_spots(tissue, 8)
    cells, spots = (torch.from_numpy(slide.counts.toarray()) for slide in (tissue, found.slide))
    bound, reached = fit_map(cells, spots, torch.Generator().manual_seed(0))
    free, better = fit_map(cells, spots, torch.Generator().manual_seed(0), elsewhere=True)
    assert free.shape == bound.shape == (len(cells), len(spots))
    assert torch.allclose(bound.sum(dim=1), torch.ones(len(cells)))
    assert free.sum(dim=1).max() <= 1 + 1e-6
    inside = torch.from_numpy(found.inside)
    assert free.sum(dim=1)[inside].mean() > 0.9
    assert free.sum(dim=1)[~inside].mean() < 0.6
    assert better > reached


def test_similarity_slow_statement() -> None:
    generator = np.random.default_rng(0)
    cells, spots, weights = generator.random((7, 5)), generator.random((4, 5)), generator.dirichlet(np.ones(4), 7)
    mapped = np.zeros((4, 5))
    for cell in range(7):
        for spot in range(4):
            mapped[spot] += weights[cell, spot] * cells[cell]

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    expected = np.mean([cosine(mapped[:, k], spots[:, k]) for k in range(5)])
    expected += np.mean([cosine(mapped[v], spots[v]) for v in range(4)])
    found = map_similarity(torch.from_numpy(cells), torch.from_numpy(spots), torch.from_numpy(weights))
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_seeds_hold_places_of_the_query_are_not_read_and_two_references_are_brought_together() -> None:
    tissue = section(100)
    assert tissue.pos is not None
    found = pseudo_spots(tissue, 6, core=0.9)
    spots, inside = found.slide, found.inside
    assert spots.pos is not None
    turned = replace(spots, name="turned", pos=7 * spots.pos[:, ::-1] + 3)
    one = soft_map([spots], tissue, steps=150)
    assert np.array_equal(one.expected, soft_map([spots], replace(tissue, pos=None), steps=150).expected)
    assert not np.array_equal(one.expected, soft_map([spots], tissue, steps=150, seed=1).expected)
    both = soft_map([spots, turned], tissue, steps=150)
    assert len(both.similarity) == 2
    assert distance_agreement(both.best[inside], tissue.pos[inside]).spearman > 0.7
    assert np.square(both.best).sum(axis=1).mean() == pytest.approx(1.0)


def test_what_cannot_be_mapped_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tissue = section(60)
    with pytest.raises(InputError, match="expected at least one reference slide, found none"):
        soft_map([], tissue)
    with pytest.raises(InputError, match="expected at least one step, found 0; raise steps"):
        soft_map([tissue], tissue, steps=0)
    with pytest.raises(InputError, match="expected references with coordinates, found none in tissue"):
        soft_map([replace(tissue, pos=None)], tissue)
    with pytest.raises(InputError, match="expected reference positions that differ, found all of tissue at one point"):
        soft_map([replace(tissue, pos=np.ones((60, 2)))], tissue)
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        soft_map([tissue], tissue, seed=-1)
    monkeypatch.setattr(importlib.import_module("pyg_gears.baselines.soft_map"), "MAX_ENTRIES", 100)
    with pytest.raises(
        InputError, match="at most 100 pairs of a cell and a spot in a soft map, found 60 x 60; lay out"
    ):
        soft_map([tissue], tissue)
