from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.baselines import rivals, simple_rivals
from pyg_gears.baselines.rivals import (
    RegressionOutput,
    block_skill,
    consensus,
    knn,
    ridge,
    section_pca,
    spatial_blocks,
)
from pyg_gears.data import Slide
from pyg_gears.encoders import normalize_expression
from pyg_gears.errors import InputError
from pyg_gears.metrics import distance_agreement

NAMES = ["ridge_pca", "ridge_joint_smoothed", "knn_regression", "spectral", "tsne"]


def _slide(name: str, n: int, seed: int, angle: float) -> Slide:
    """Genes follow position; the frame of the section is turned by ``angle`` and has its own unit."""
    generator = np.random.default_rng(seed)
    pos = generator.random((n, 2))
    load = np.random.default_rng(99).normal(size=(2, 40))
    counts = generator.poisson(np.exp(1.0 + 2 * (pos - 0.5) @ load))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    genes = tuple(f"g{i}" for i in range(40))
    return Slide(
        name, csr_array(counts.astype(np.float32)), genes, tuple(f"{name}{i}" for i in range(n)), 50 * pos @ turn
    )


def test_regressions_find_the_tissue_from_sections_in_different_frames() -> None:
    references = [_slide("a", 150, 0, 0.3), _slide("b", 120, 1, 2.0)]
    query = _slide("q", 100, 2, 0.0)
    assert query.pos is not None
    found = simple_rivals(references, query)
    assert list(found) == NAMES
    for name in NAMES[:3]:
        assert found[name].shape == (100, 2)
        assert np.square(found[name]).sum(axis=1).mean() == pytest.approx(1.0)
        assert distance_agreement(found[name], query.pos).spearman > 0.8, name


def test_query_coordinates_are_not_used_and_seeds_hold() -> None:
    references = [_slide("a", 100, 0, 0.3)]
    query = _slide("q", 60, 2, 0.0)
    blind = Slide(query.name, query.counts, query.genes, query.cells)
    first, second = simple_rivals(references, query), simple_rivals(references, blind)
    for name in NAMES:
        assert np.array_equal(first[name], second[name]), name


def test_seeds_beyond_those_of_scikit_learn() -> None:
    slides = [_slide("a", 60, 0, 0.0)], _slide("q", 30, 2, 0.0)
    assert list(simple_rivals(*slides, seed=2**32 + 5)) == NAMES


def test_tsne_is_left_out_for_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "TSNE_MAX_CELLS", 50)
    assert list(simple_rivals([_slide("a", 60, 0, 0.0)], _slide("q", 60, 2, 0.0))) == NAMES[:4]


def test_as_few_cells_as_a_layout_may_have_are_laid_out() -> None:
    found = simple_rivals([_slide("a", 60, 0, 0.0)], _slide("q", 3, 2, 0.0))
    assert list(found) == NAMES
    assert all(layout.shape == (3, 2) and np.isfinite(layout).all() for layout in found.values())


def test_ridge_slow_statement() -> None:
    generator = np.random.default_rng(0)
    x, y, query = generator.normal(size=(50, 7)) + 3, generator.normal(size=(50, 2)), generator.normal(size=(9, 7))
    centred = x - x.mean(axis=0)
    weight = np.linalg.solve(centred.T @ centred + 10.0 * np.eye(7), centred.T @ (y - y.mean(axis=0)))
    expected = (query - x.mean(axis=0)) @ weight + y.mean(axis=0)
    assert np.allclose(ridge(50).fit(x, y).predict(query), expected, atol=1e-10)


def test_knn_slow_statement() -> None:
    generator = np.random.default_rng(0)
    x, y, query = generator.normal(size=(50, 7)), generator.normal(size=(50, 2)), generator.normal(size=(9, 7))
    expected = [y[np.argsort(((row - x) ** 2).sum(axis=1))[:20]].mean(axis=0) for row in query]
    assert np.allclose(knn(50).fit(x, y).predict(query), expected, atol=1e-12)
    assert np.allclose(knn(12).fit(x[:12], y[:12]).predict(query), y[:12].mean(axis=0))


def test_block_skill_sees_what_random_folds_hide() -> None:
    generator = np.random.default_rng(0)
    y = generator.random((300, 2))
    blocks = spatial_blocks(y, seed=0)
    assert block_skill(ridge, 10 * y, y, blocks) > 0.9
    assert block_skill(ridge, generator.normal(size=(300, 5)), y, blocks) < 0.05


@pytest.mark.parametrize("regression", [ridge, knn])
def test_block_skill_slow_statement(regression) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(60, 4)), generator.random((60, 2))
    y[:, 0] += 0.5 * x[:, 0]
    blocks, scores = spatial_blocks(y, seed=3), []
    for block in blocks:
        predicted = np.zeros_like(y)
        for b in range(10):
            held = block == b
            predicted[held] = regression((~held).sum()).fit(x[~held], y[~held]).predict(x[held])
        scores.append(1 - np.square(predicted - y).sum() / np.square(y - y.mean(axis=0)).sum())
    assert block_skill(regression, x, y, blocks) == pytest.approx(np.mean(scores), abs=1e-12)


def test_partitions_of_neighbouring_seeds_differ() -> None:
    """The second partition of seed 0 was the first of seed 1."""
    pos = np.random.default_rng(0).random((200, 2))
    drawn = [tuple(block) for seed in range(4) for block in spatial_blocks(pos, seed=seed)]
    assert len(set(drawn)) == len(drawn) == 12
    assert all(set(block) == set(range(10)) for block in drawn)


def test_a_reference_of_fewer_spots_than_blocks() -> None:
    query = _slide("q", 60, 2, 0.0)
    found = simple_rivals([_slide("a", 7, 0, 0.0)], query)
    assert all(np.isfinite(layout).all() for layout in found.values())


def test_consensus_aligns_mirrors_and_weighs_by_skill() -> None:
    good = np.random.default_rng(0).normal(size=(60, 2))
    turned = RegressionOutput(4 * good @ np.array([[0.6, 0.8], [0.8, -0.6]]) + 9, 0.5)
    both = consensus([RegressionOutput(good, 0.5), turned])
    assert distance_agreement(both, good).stress_1 < 1e-9
    noise = RegressionOutput(np.random.default_rng(1).normal(size=(60, 2)), -3.0)
    assert distance_agreement(consensus([noise, RegressionOutput(good, 0.5)]), good).stress_1 < 0.05


def test_bad_input_is_one_sentence() -> None:
    query = _slide("q", 60, 2, 0.0)
    blind = Slide("blind", query.counts, query.genes, query.cells)
    with pytest.raises(InputError, match="at least one reference slide, found none"):
        simple_rivals([], query)
    with pytest.raises(InputError, match="references with coordinates, found none in blind"):
        simple_rivals([blind], query)
    piled = Slide("piled", query.counts, query.genes, query.cells, np.ones((60, 2)))
    with pytest.raises(InputError, match="expected reference positions that differ, found all of piled at one point"):
        simple_rivals([piled], query)
    with pytest.raises(InputError, match="expected at least 3 cells to lay out, found 2; give more cells"):
        simple_rivals([query], query.select(np.arange(2)))
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        simple_rivals([query], query, seed=-1)
    other = Slide("other", query.counts, tuple(f"x{i}" for i in range(40)), query.cells, query.pos)
    with pytest.raises(InputError, match="genes shared"):
        simple_rivals([other], query)


def test_section_pca_slow_statement() -> None:
    sections = [normalize_expression(_slide(name, 40, seed, 0.0)) for seed, name in enumerate("ab")]
    centred = [section.toarray() - section.toarray().mean(axis=0) for section in sections]
    both = np.concatenate(centred).astype(np.float64)
    value, vector = np.linalg.eigh(both.T @ both / 79)
    scale = np.sqrt(value[-3:].mean())
    found = section_pca(sections, sections, 3, seed=0)
    for x, raw in zip(found, centred, strict=True):
        expected = raw @ vector[:, :-4:-1] / scale
        assert np.allclose(np.abs(x), np.abs(expected), atol=1e-4)
