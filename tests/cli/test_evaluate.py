from __future__ import annotations

import json
import warnings
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from pyg_gears.cli import main
from pyg_gears.data import Slide, write_layout, write_slide


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    pos = generator.random((150, 2))
    counts = csr_array(generator.poisson(2.0 + 5 * pos[:, :1], size=(150, 8)).astype(np.float32))
    slide = Slide("cells", counts, tuple("abcdefgh"), tuple(f"c{i}" for i in range(150)))
    types = {"cell_type": np.where(pos[:, 0] > 0.5, "right", "left")}
    write_slide(tmp_path / "cells.h5ad", slide, obs=types, obsm={"spatial": pos})
    path = tmp_path / "layout.h5ad"
    distances = csr_matrix(([0.1], ([0], [1])), shape=(150, 150))
    write_layout(path, tmp_path / "cells.h5ad", pos=pos, confidence=pos[:, 0], distances=distances, info={})
    return path


def test_community_options_reach_the_report(layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("igraph")
    options = ("--community-neighbors", 6, "--community-resolution", 1.5)
    assert run("evaluate", layout, *options, "--json", tmp_path / "fine.json") == 0
    assert "communities (k = 6, resolution 1.5)" in capsys.readouterr().out
    assert run("evaluate", layout, "--json", tmp_path / "published.json") == 0
    assert "communities (k = 15, resolution 0.2)" in capsys.readouterr().out
    fine, published = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("fine", "published"))
    assert len(fine["communities"]["gears"]) > len(published["communities"]["gears"])
    assert set(fine["communities"]["gears"][0]) == {"size", "majority", "purity"}


def test_cell_types_may_stand_in_any_column(layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("igraph")
    found = anndata.read_h5ad(layout)
    found.obs["My types"] = found.obs.pop("cell_type")
    found.write_h5ad(tmp_path / "own.h5ad")
    assert run("evaluate", tmp_path / "own.h5ad") == 0
    assert "no purity was computed (name one with --label-key)" in capsys.readouterr().out
    assert run("evaluate", tmp_path / "own.h5ad", "--label-key", "My types") == 0
    assert "communities (k = 15" in capsys.readouterr().out
    assert run("evaluate", tmp_path / "own.h5ad", "--label-key", "types") == 2
    assert "expected cell types in obs['types'], found columns" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--community-neighbors", 0), ("--community-resolution", 0)])
def test_impossible_options_are_refused(layout: Path, option: tuple[str, int]) -> None:
    assert run("evaluate", layout, *option) == 2


def test_rivals_that_read_hardly_any_gene_are_warned_of_or_refused(tmp_path: Path, capsys) -> None:
    generator = np.random.default_rng(0)
    pos = generator.random((60, 2))
    counts = csr_array(generator.poisson(2.0 + 5 * pos[:, :1], size=(60, 100)).astype(np.float32))
    cells = tuple(f"c{i}" for i in range(60))
    here = tuple(f"Gene{i}" for i in range(100))
    write_slide(tmp_path / "cells.h5ad", Slide("cells", counts, here, cells))
    layout = tmp_path / "layout.h5ad"
    distances = csr_matrix(([0.1], ([0], [1])), shape=(60, 60))
    write_layout(layout, tmp_path / "cells.h5ad", pos=pos, confidence=pos[:, 0], distances=distances, info={})
    for kept in (12, 3):
        there = (*here[:kept], *(gene.upper() for gene in here[kept:]))
        write_slide(tmp_path / f"s{kept}.h5ad", Slide("s", counts, there, cells, pos))
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            code = run("evaluate", layout, "--reference", tmp_path / f"s{kept}.h5ad")
        said = " ".join([*(str(one.message) for one in heard), capsys.readouterr().err])
        assert code == (0 if kept == 12 else 2)
        assert ("share 12 genes, 12.0%" if kept == 12 else "at least 10 genes shared by all 2 files, found 3") in said
        assert "100 would be shared if case did not count" in said
