from __future__ import annotations

import importlib
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.data import Slide, disjoint_halves, pseudo_spots
from pyg_gears.errors import InputError
from pyg_gears.geometry import principal_frame
from pyg_gears.layout import LayoutOutput, paired_genes, paired_layout
from pyg_gears.metrics import distance_agreement

# The package of this name gives the function.
MODULE = importlib.import_module("pyg_gears.layout.paired_layout")


def section(n: int = 240, genes: int = 60) -> Slide:
    """Cells whose expression does not follow their place: only the sums tell where they lie."""
    generator = np.random.default_rng(0)
    counts = generator.poisson(generator.gamma(0.5, 4.0, size=(n, genes))).astype(np.float32)
    pos = generator.uniform(0, 900, size=(n, 2))
    return Slide(
        "tissue", csr_array(counts), tuple(f"g{i}" for i in range(genes)), tuple(f"c{i}" for i in range(n)), pos
    )


def rough_layout(pos: np.ndarray, noise: float = 0.8, seed: int = 1) -> LayoutOutput:
    """The truth with noise, in the gauge, and its distances on a few pairs."""
    generator = np.random.default_rng(seed)
    rough = pos / pos.std() + noise * generator.normal(size=pos.shape)
    laid = principal_frame(torch.from_numpy(rough)).numpy()
    pairs = np.unique(np.sort(generator.integers(len(pos), size=(5 * len(pos), 2)), axis=1), axis=0)
    one, two = pairs[pairs[:, 0] < pairs[:, 1]].T
    distance = np.linalg.norm(laid[one] - laid[two], axis=1)
    both = np.concatenate([one, two]), np.concatenate([two, one])
    return LayoutOutput(laid, csr_array((np.tile(distance, 2), both), shape=(len(pos), len(pos))), {"cells": len(pos)})


def agreement(pos: np.ndarray, truth: np.ndarray, part: np.ndarray) -> float:
    return distance_agreement(pos[part], truth[part]).spearman


def test_cells_of_a_spot_move_there_and_the_others_stay() -> None:
    tissue = section()
    assert tissue.pos is not None
    spots = pseudo_spots(tissue, 8)
    before = rough_layout(tissue.pos)
    after = paired_layout(before, replace(tissue, pos=None), spots.slide)
    inside, between = spots.inside, ~spots.inside
    assert agreement(before.pos, tissue.pos, inside) < 0.8
    assert agreement(after.pos, tissue.pos, inside) > 0.95
    assert agreement(after.pos, tissue.pos, between) > agreement(before.pos, tissue.pos, between) - 0.02
    assert np.square(after.pos).sum(axis=1).mean() == pytest.approx(1.0)
    np.testing.assert_allclose(after.pos.mean(axis=0), 0, atol=1e-9)
    assert after.report["cells"] == 240
    assert after.report["paired_spots"] == "tissue_spots"
    assert abs(after.report["paired_recognised"] - inside.sum()) < 0.1 * inside.sum()
    assert after.report["paired_similarity"] > 0.97
    pairs = after.distances.tocoo()
    pinned = inside[pairs.row] & inside[pairs.col]
    true = np.linalg.norm(tissue.pos[pairs.row] - tissue.pos[pairs.col], axis=1)
    assert np.corrcoef(pairs.data[pinned], true[pinned])[0, 1] > 0.95
    length = np.linalg.norm(after.pos[pairs.row] - after.pos[pairs.col], axis=1)
    assert np.median(pairs.data[pinned] / np.maximum(length[pinned], 1e-9)) == pytest.approx(1.0, abs=0.1)
    again = paired_layout(before, tissue, spots.slide)
    assert np.array_equal(again.pos, after.pos)
    assert not np.array_equal(paired_layout(before, tissue, spots.slide, seed=1).pos, after.pos)


def test_efficiencies_of_genes_and_depths_of_spots_may_differ() -> None:
    tissue = section()
    assert tissue.pos is not None
    spots = pseudo_spots(tissue, 8)
    generator = np.random.default_rng(3)
    factor = generator.uniform(0.5, 2, size=(1, 60)) * generator.uniform(0.5, 2, size=(len(spots.slide), 1))
    scaled = replace(spots.slide, counts=csr_array(np.round(100 * factor * spots.slide.counts.toarray())))
    after = paired_layout(rough_layout(tissue.pos), tissue, scaled)
    assert agreement(after.pos, tissue.pos, spots.inside) > 0.9


def test_slow_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    tissue = section(40)
    assert tissue.pos is not None
    spots = pseudo_spots(tissue, 5, core=1.0, min_cells=1).slide
    assert spots.pos is not None
    generator = np.random.default_rng(5)
    n, s = 40, len(spots)
    weight = generator.dirichlet(np.full(s + 1, 0.05), n)[:, :s]
    monkeypatch.setattr(MODULE, "fit_map", lambda *a, **k: (torch.from_numpy(weight), 0.5))
    before = rough_layout(tissue.pos)
    after = paired_layout(before, tissue, spots)

    place = np.array([sum(w[v] * spots.pos[v] for v in range(s)) / w.sum() for w in weight])
    trust = [max(w) for w in weight]
    known = [i for i in range(n) if trust[i] >= 0.5]
    assert 12 < len(known) < 40
    assert after.report["paired_recognised"] == len(known)
    # In complex numbers, once as it is and once mirrored: the turn that fits best, at the scale of equal spread.
    target = place @ [1, 1j]
    best = np.inf
    for source in (before.pos @ [1, 1j], before.pos @ [1, -1j]):
        a, b = source[known] - source[known].mean(), target[known] - target[known].mean()
        scale = np.linalg.norm(b) / np.linalg.norm(a)
        turn = (a.conj() @ b) / abs(a.conj() @ b)
        if (loss := np.linalg.norm(scale * turn * a - b)) < best:
            best, moved = loss, scale * turn * (source - source[known].mean()) + target[known].mean()
    laid = np.stack([moved.real, moved.imag], axis=1)
    expected = np.array([trust[i] * place[i] + (1 - trust[i]) * laid[i] for i in range(n)])
    radius = np.sqrt(np.square(expected - expected.mean(axis=0)).sum(axis=1).mean())
    found = torch.pdist(torch.from_numpy(after.pos)).numpy()
    np.testing.assert_allclose(found, torch.pdist(torch.from_numpy(expected)).numpy() / radius, atol=1e-6)
    old, new = before.distances.toarray(), after.distances.toarray()
    for i, j in zip(*np.nonzero(old), strict=True):
        both = trust[i] * trust[j]
        mapped = np.linalg.norm(place[i] - place[j])
        assert new[i, j] == pytest.approx((both * mapped + (1 - both) * scale * old[i, j]) / radius, rel=1e-6)


def test_spots_of_other_cells_recognise_few_and_say_so() -> None:
    pooled, placed = disjoint_halves(section())
    assert placed.pos is not None
    spots = pseudo_spots(pooled, 6, min_cells=1, core=1.0).slide
    before = rough_layout(placed.pos)
    with pytest.warns(
        UserWarning, match=r"\d+ of 120 cells are recognised in the spots of tissue_spots; if these are no sums"
    ):
        after = paired_layout(before, placed, spots)
    everywhere = np.ones(120, dtype=bool)
    assert agreement(after.pos, placed.pos, everywhere) > agreement(before.pos, placed.pos, everywhere) - 0.1


def test_a_map_that_gives_no_pose_leaves_the_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    tissue = section(60)
    assert tissue.pos is not None
    spots = pseudo_spots(tissue, 5).slide
    monkeypatch.setattr(MODULE, "fit_map", lambda *a, **k: (torch.zeros(60, len(spots)), 0.1))
    before = rough_layout(tissue.pos)
    with pytest.warns(UserWarning, match="0 of 60 cells are recognised"):
        after = paired_layout(before, tissue, spots)
    assert np.array_equal(after.pos, before.pos)
    assert after.distances is before.distances
    assert after.report["paired_recognised"] == 0
    # Two spots say nothing of the pose.
    two = torch.zeros(60, len(spots))
    two[:15, 0] = two[15:30, 1] = 1
    monkeypatch.setattr(MODULE, "fit_map", lambda *a, **k: (two, 0.1))
    after = paired_layout(before, tissue, spots)
    assert np.array_equal(after.pos, before.pos)
    assert after.report["paired_recognised"] == 30


def test_what_cannot_be_paired_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tissue = section(60)
    spots = pseudo_spots(tissue, 5).slide
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paired_genes(tissue, spots) == tissue.genes
        assert paired_genes(tissue, spots.subset_genes(tissue.genes[10:30])) == tissue.genes[10:30]
    with pytest.raises(
        InputError, match="tissue_spots: expected paired spots with coordinates, found none; put them into"
    ):
        paired_genes(tissue, replace(spots, pos=None))
    with pytest.raises(
        InputError, match="share at least 10 genes with the cells, found 9; use one gene naming in both files"
    ):
        paired_genes(tissue, spots.subset_genes(tissue.genes[:9]))
    capitals = replace(spots, genes=tuple(gene.upper() for gene in spots.genes))
    with pytest.raises(InputError, match="found 0; 60 would be shared if case did not count"):
        paired_genes(tissue, capitals)
    monkeypatch.setattr(MODULE, "MAX_ENTRIES", 100)
    with pytest.raises(InputError, match=rf"at most 100 pairs of a cell and a spot, found 60 x {len(spots)}; lay out"):
        paired_genes(tissue, spots)
