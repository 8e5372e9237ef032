from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.spatial import cKDTree

from pyg_gears.data import read_cells, read_slide, simulate_tissue, write_simulation
from pyg_gears.data.synthetic import TISSUES
from pyg_gears.errors import InputError

REPOSITORY = Path(__file__).parents[2]


def profile(slide: object) -> np.ndarray:
    counts = slide.counts.toarray().astype(np.float64)
    logs = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    return (logs - logs.mean(axis=0)) / (logs.std(axis=0) + 1e-9)


def components(values: np.ndarray, k: int = 15) -> np.ndarray:
    u, s, _ = np.linalg.svd(values, full_matrices=False)
    return u[:, :k] * s[:k]


@pytest.mark.parametrize("tissue", TISSUES)
@pytest.mark.parametrize("lattice", ["hexagonal", "square"])
def test_shapes_and_lattice(tissue: str, lattice: str) -> None:
    result = simulate_tissue(tissue, slides=2, cells=60, seed=3, spots=90, genes=30, lattice=lattice)
    assert [len(slide) for slide in result.slides] == [90, 90]
    assert len(result.cells) == 60
    assert result.cells.pos is None
    assert result.cells_pos.shape == (60, 2)
    assert set(np.unique(result.cells_type)) <= set(range(6))
    for slide in result.slides:
        nearest = cKDTree(slide.pos).query(slide.pos, k=2)[0][:, 1]
        np.testing.assert_allclose(nearest, 100.0, rtol=1e-6)  # the pitch in micrometres
        assert np.array_equal(slide.counts.data, np.round(slide.counts.data))


def test_seeds_hold_and_sections_do_not_depend_on_their_number() -> None:
    one, again = (simulate_tissue(slides=2, cells=50, seed=5, spots=40, genes=20) for _ in range(2))
    other = simulate_tissue(slides=2, cells=50, seed=6, spots=40, genes=20)
    fewer = simulate_tissue(slides=1, cells=50, seed=5, spots=40, genes=20)
    np.testing.assert_array_equal(one.cells.counts.toarray(), again.cells.counts.toarray())
    np.testing.assert_array_equal(one.cells.counts.toarray(), fewer.cells.counts.toarray())
    np.testing.assert_array_equal(one.slides[0].pos, fewer.slides[0].pos)
    assert not np.array_equal(one.cells.counts.toarray(), other.cells.counts.toarray())
    assert not np.allclose(one.slides[0].pos, one.slides[1].pos)


def test_spots_pool_cells_and_depth_and_batch_are_as_asked() -> None:
    many = {"slides": 2, "cells": 1500, "spots": 400, "genes": 60, "depth": 300.0, "capture": 0.5}
    many["cells_per_spot"] = 4.0
    plain = simulate_tissue("gradient", seed=1, batch=0.0, **many)
    spot_depth = plain.slides[0].counts.sum(axis=1).mean()
    # The size of a cell is log-normal with sigma 0.3: its mean is exp(0.045).
    assert spot_depth == pytest.approx(4 * 300 * np.exp(0.045), rel=0.05)
    assert plain.cells.counts.sum(axis=1).mean() == pytest.approx(150 * np.exp(0.045), rel=0.05)

    def shift(result: object) -> float:
        share = [slide.counts.sum(axis=0) / slide.counts.sum() for slide in result.slides]
        return float(np.std(np.log(share[0] / share[1])))

    strong = simulate_tissue("gradient", seed=1, batch=0.5, **many)
    assert shift(plain) < 0.2
    assert shift(strong) == pytest.approx(0.5 * np.sqrt(2), rel=0.35)


def test_counts_are_overdispersed() -> None:
    poisson, noisy = (
        simulate_tissue("gradient", slides=1, cells=1500, spots=30, genes=40, seed=2, dispersion=d).cells.counts
        for d in (1e6, 0.5)
    )

    def excess(counts: object) -> float:
        dense = counts.toarray()
        return float(np.median(dense.var(axis=0) / dense.mean(axis=0)))

    assert excess(noisy) > 3 * excess(poisson)


@pytest.mark.parametrize("tissue", TISSUES)
def test_expression_tells_the_place_but_not_trivially(tissue: str) -> None:
    slide = simulate_tissue(tissue, slides=1, cells=3, seed=0, spots=500).slides[0]
    h = components(profile(slide))
    near_in_h = cKDTree(h).query(h, k=21)[1][:, 1:]
    near = cKDTree(slide.pos).query(slide.pos, k=21)[1][:, 1:]
    recall = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(near, near_in_h, strict=True)])
    assert 4 * 20 / 499 < recall < 0.8  # chance is 20/499
    shuffled = np.random.default_rng(0).permutation(len(h))
    by_chance = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(near, near_in_h[shuffled], strict=True)])
    assert by_chance < 0.1


def test_the_rule_carries_over_but_the_picture_does_not() -> None:
    result = simulate_tissue("lobules", slides=2, cells=3, seed=0)
    first, second = (profile(slide) for slide in result.slides)
    # Genes that vary together on one section do so on the other: the rule.
    agree = np.corrcoef(np.corrcoef(first.T).ravel(), np.corrcoef(second.T).ravel())[0, 1]
    assert agree > 0.7
    # The expression at one place says nothing about the same place of the other section: poses and centres differ.
    centred = [slide.pos - slide.pos.mean(axis=0) for slide in result.slides]
    same_place = cKDTree(centred[1]).query(centred[0])[1]
    assert abs(np.corrcoef(first.ravel(), second[same_place].ravel())[0, 1]) < 0.15


def test_written_files_read_back_and_are_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    paths = write_simulation(out, tissue="layers", slides=2, cells=40, seed=4, spots=35)
    assert [path.name for path in paths] == ["slide_0.h5ad", "slide_1.h5ad", "cells.h5ad"]
    direct = simulate_tissue("layers", 2, 40, 4, spots=35)
    np.testing.assert_array_equal(read_slide(paths[1]).counts.toarray(), direct.slides[1].counts.toarray())
    np.testing.assert_array_equal(read_slide(paths[1]).pos, direct.slides[1].pos)
    assert read_cells(paths[2]).cells == direct.cells.cells
    cells = anndata.read_h5ad(paths[2])
    np.testing.assert_array_equal(cells.obsm["spatial_true"], direct.cells_pos)
    assert list(cells.obs["cell_type"])[:3] == [f"type_{i}" for i in direct.cells_type[:3]]
    assert "spatial" not in cells.obsm
    paths[0].unlink()
    with pytest.raises(InputError, match=r"slide_1.h5ad, found an existing one"):
        write_simulation(out, tissue="layers", slides=2, cells=40, seed=4, spots=35)
    assert not paths[0].exists()  # refused before the first file
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="folder to write to"):
        write_simulation(blocked, slides=1, cells=40, spots=35)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tissue": "layer"}, "found 'layer' .did you mean 'layers'"),
        ({"lattice": "round"}, "expected one of .*hexagonal.*found 'round'"),
        ({"slides": 0}, "slides of at least 1, found 0"),
        ({"cells": 2}, "cells of at least 3, found 2"),
        ({"spots": 29}, "spots of at least 30, found 29"),
        ({"genes": 3}, "genes of at least 12, found 3"),
        ({"cells_per_spot": 0.5}, "cells_per_spot of at least 1, found 0.5"),
        ({"batch": -1.0}, "batch of at least 0"),
        ({"seed": -1}, "seed of at least 0, found -1"),
        ({"depth": 0.0}, "positive depth, found 0.0"),
        ({"dispersion": 0.0}, "positive dispersion"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_tissue(**arguments)


def test_the_section_in_the_repository_is_the_documented_call(tmp_path: Path) -> None:
    folder = REPOSITORY / "data"
    fresh = write_simulation(tmp_path, tissue="lobules", slides=1, cells=90, seed=0, spots=80)
    for path in fresh:
        stored, made = anndata.read_h5ad(folder / path.name), anndata.read_h5ad(path)
        np.testing.assert_array_equal(stored.X.toarray(), made.X.toarray())
        for key in made.obsm:
            np.testing.assert_allclose(stored.obsm[key], made.obsm[key], rtol=1e-12)
    assert (
        'write_simulation("data", tissue="lobules", slides=1, cells=90, seed=0, spots=80)'
        in (folder / "README.md").read_text()
    )
    assert sum(path.stat().st_size for path in folder.glob("*.h5ad")) < 300_000
