from __future__ import annotations

from pathlib import Path

import anndata
import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.sparse import csr_array

from pyg_gears import __version__
from pyg_gears.cli.simulate import simulate
from pyg_gears.data import Slide, disjoint_halves, pseudo_spots, read_cells, read_slide, write_pseudo_spots, write_slide
from pyg_gears.errors import InputError

GRID = (9, 7)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    counts = csr_array(generator.poisson(1.5, size=(600, 12)).astype(np.float32))
    slide = Slide(
        "s", counts, tuple("abcdefghijkl"), tuple(f"c{i}" for i in range(600)), generator.uniform(0, 9, (600, 2))
    )
    kinds = np.where(np.arange(600) % 3 == 0, "one", "two")
    write_slide(tmp_path / "tissue.h5ad", slide, obs={"cell_type": kinds})
    return tmp_path / "tissue.h5ad"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(simulate, [str(a) for a in arguments])


def test_files_hold_what_the_function_gives(file: Path, tmp_path: Path) -> None:
    paths = write_pseudo_spots(tmp_path / "out", [file], grid=GRID, shift=0.3)
    assert [path.name for path in paths] == ["tissue_spots.h5ad", "tissue_cells.h5ad"]
    section = read_slide(file)
    expected = pseudo_spots(section, GRID, shift=0.3)
    spots, cells = read_slide(paths[0]), anndata.read_h5ad(paths[1])
    np.testing.assert_array_equal(spots.counts.toarray(), expected.slide.counts.toarray())
    np.testing.assert_array_equal(spots.pos, expected.slide.pos)
    np.testing.assert_array_equal(cells.obsm["spatial_true"], section.pos)
    assert "spatial" not in cells.obsm
    assert (cells.obs["cell_type"] == anndata.read_h5ad(file).obs["cell_type"]).all()
    named = cells.obs["pseudo_spot"].astype(str).to_numpy()
    np.testing.assert_array_equal(named != "", expected.inside)
    assert anndata.read_h5ad(paths[0]).obs["cells"].sum() == expected.inside.sum()
    origin = cells.uns["pseudo_spots"]
    assert (origin["section"], list(origin["grid"]), origin["shift"]) == ("tissue", [9, 7], 0.3)
    assert (origin["cells"], origin["version"]) == ("those pooled", __version__)
    assert "seed" not in origin


def test_halves_leave_no_placed_cell_in_a_spot(file: Path, tmp_path: Path) -> None:
    paths = write_pseudo_spots(tmp_path / "out", [file], grid=GRID, halves=True, seed=2)
    pooled, placed = disjoint_halves(read_slide(file), seed=2)
    assert read_cells(paths[1]).cells == placed.cells
    assert read_slide(paths[0]).counts.sum() == pooled.counts[pseudo_spots(pooled, GRID).inside].sum()
    cells = anndata.read_h5ad(paths[1])
    assert cells.uns["pseudo_spots"]["seed"] == 2
    assert 0.2 < (cells.obs["pseudo_spot"].astype(str) != "").mean() < 0.6


def test_the_command_writes_the_same_bytes_again_and_refuses_what_has_no_effect(file: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = run("--from", f"mine={file}", "--grid", "9x7", "--halves", "--seed", 1, "--out", tmp_path / name)
        assert result.exception is None, result.exception
        assert "wrote mine_spots.h5ad, mine_cells.h5ad" in result.output
    for name in ("mine_spots.h5ad", "mine_cells.h5ad"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    for words, found in (
        (("--from", file, "--tissue", "layers", "--cells", 5), "with --from, found --tissue, --cells; leave"),
        (("--from", file, "--seed", 5), "with --from, found --seed"),
        (("--min-cells", 5, "--layer", "X"), "without --from, found --min-cells, --layer"),
        (("--from", file, "--grid", "9x"), "expected --grid like 30 or 20x10"),
    ):
        error = run(*words, "--out", tmp_path / "c").exception
        assert isinstance(error, InputError)
        assert found in str(error)
    assert not (tmp_path / "c").exists()


def test_files_that_exist_and_too_few_spots_are_refused(file: Path, tmp_path: Path) -> None:
    write_pseudo_spots(tmp_path, [file], grid=GRID)
    with pytest.raises(InputError, match=r"expected a new file at .*tissue_spots\.h5ad, found an existing one"):
        write_pseudo_spots(tmp_path, [file], grid=GRID)
    with pytest.raises(
        InputError, match="tissue: expected at least 30 pseudo-spots, found 25 with 2 cells or more; change the grid"
    ):
        write_pseudo_spots(tmp_path / "few", [file], grid=5)


def test_a_command_that_invokes_it_gives_the_rest_its_defaults(tmp_path: Path) -> None:
    @click.command()
    @click.pass_context
    def outer(context: click.Context) -> None:
        context.invoke(simulate, out=str(tmp_path / "out"), tissue="layers", slides=1, cells=40, seed=0)

    result = CliRunner().invoke(outer)
    assert result.exception is None, result.exception
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cells.h5ad", "slide_0.h5ad"]
