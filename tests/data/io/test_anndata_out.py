from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pandas
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from pyg_gears.data import (
    Slide,
    cells_from_anndata,
    check_h5ad,
    check_output,
    read_cells,
    read_slide,
    slide_from_anndata,
    write_layout,
    write_slide,
)
from pyg_gears.errors import InputError

N, G = 40, 6


def table(**changes: object) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    n, g = int(changes.pop("n", N)), int(changes.pop("g", G))
    x = changes.pop("x", rng.poisson(2.0, (n, g)).astype(np.int16))
    adata = anndata.AnnData(x)
    adata.obs_names = changes.pop("cells", [f"c{i}" for i in range(n)])
    adata.var_names = changes.pop("genes", [f"g{i}" for i in range(g)])
    spatial = changes.pop("spatial", rng.normal(size=(n, 2)))
    if spatial is not None:
        adata.obsm["spatial"] = spatial
    assert not changes
    return adata


def saved(folder: Path, name: str = "section.h5ad", **changes: object) -> Path:
    path = folder / name
    table(**changes).write_h5ad(path)
    return path


@pytest.mark.parametrize("layout", [np.asarray, csr_matrix, csc_matrix, csr_array])
@pytest.mark.parametrize("dtype", [np.int16, np.uint32, np.float32, np.float64])
def test_every_layout_of_x_reads_the_same(tmp_path: Path, layout: type, dtype: type) -> None:
    values = np.random.default_rng(3).poisson(1.0, (N, G)).astype(dtype)
    path = saved(tmp_path, x=layout(values))
    slide = read_slide(path)
    assert slide.name == "section"
    np.testing.assert_array_equal(slide.counts.toarray(), values.astype(np.float32))
    assert slide.genes == tuple(f"g{i}" for i in range(G))
    assert slide.cells[:2] == ("c0", "c1")
    np.testing.assert_array_equal(slide.pos, anndata.read_h5ad(path).obsm["spatial"])
    assert slide.pos.dtype == np.float64


def test_positions_may_be_a_data_frame(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(N)]
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), index=names, columns=["x", "y"])
    np.testing.assert_array_equal(read_slide(saved(tmp_path, spatial=frame)).pos, frame.to_numpy())
    frame["z"] = 0.0
    with pytest.raises(InputError, match=r"two-dimensional positions.*found 3 columns; .*'spatial'\]\)\[:, :2\]\.$"):
        read_slide(saved(tmp_path, "three.h5ad", spatial=frame))


def test_cells_never_read_coordinates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    touched = []
    original = h5py.Group.__getitem__
    monkeypatch.setattr(h5py.Group, "__getitem__", lambda self, key: touched.append(key) or original(self, key))
    assert read_cells(path).pos is None
    assert "X" in touched
    assert not [key for key in touched if "spatial" in str(key)]
    # Positions that no slide could have do not matter to cells.
    assert len(read_cells(saved(tmp_path, "bad.h5ad", spatial=np.full((N, 3), np.nan)))) == N


def test_memory_and_file_agree(tmp_path: Path) -> None:
    adata = table()
    from_file, in_memory = read_slide(saved(tmp_path)), slide_from_anndata(adata, "section")
    assert (from_file.name, from_file.genes, from_file.cells) == (in_memory.name, in_memory.genes, in_memory.cells)
    np.testing.assert_array_equal(from_file.pos, in_memory.pos)
    np.testing.assert_array_equal(from_file.counts.toarray(), in_memory.counts.toarray())
    assert cells_from_anndata(adata, "cells").pos is None
    with pytest.raises(InputError, match=r"positions in obsm\['spatial'\], found none"):
        slide_from_anndata(table(spatial=None), "section")
    with pytest.raises(InputError, match="numeric counts in X, found none"):
        cells_from_anndata(anndata.AnnData(obs=adata.obs, var=adata.var), "cells")


def bad_file(folder: Path, what: str) -> Path:
    path = folder / "bad.h5ad"
    if what == "missing":
        return path
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("gene,count\n")
    elif what == "other hdf5":
        with h5py.File(path, "w") as file:
            file["matrix"] = np.zeros(3)
    elif what == "truncated":
        whole = saved(folder, "whole.h5ad").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif what == "old tables":
        with h5py.File(path, "w") as file:
            file["X"] = np.ones((N, G))
            for key in ("obs", "var"):
                file[key] = np.array([(b"a",)], dtype=[("index", "S1")])
    return path


@pytest.mark.parametrize("reader", [read_slide, read_cells])
@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "expected an .h5ad file at .*, found nothing"),
        ("folder", "found a folder"),
        ("text", "found a file of another format"),
        ("other hdf5", "HDF5 without obs, var"),
        ("truncated", "readable file at .*, found a damaged or unsafe one"),
        ("old tables", "tables as anndata 0.7 and later"),
    ],
)
def test_files_that_are_no_anndata(tmp_path: Path, reader: object, what: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        reader(bad_file(tmp_path, what))
    assert "\n" not in str(caught.value)


def test_a_table_without_its_index_is_damage(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["obs/_index"]
    with pytest.raises(InputError, match=r"damaged .*obs has no column _index"):
        read_cells(path)


def test_a_name_that_is_no_text_is_damage(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"c17", b"\xe9\xe9\xe9"))
    with pytest.raises(InputError, match=r"damaged .*obs/_index(/values)? is not UTF-8"):
        check_h5ad(path, spatial=True)


def test_our_own_errors_are_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("pyg_gears.data.io.structure.read_counts", fail)
    with pytest.raises(KeyError, match="ours"):
        read_slide(saved(tmp_path))


def test_a_slide_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened, original = saved(tmp_path), [], h5py.File
    monkeypatch.setattr(h5py, "File", lambda *a, **k: opened.append(a) or original(*a, **k))
    read_slide(path)
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spatial": None}, "positions in obsm\\['spatial'\\], found none;"),
        ({"spatial": np.zeros((N, 3))}, "two-dimensional positions.*found 3 columns; .*'spatial'\\]\\)\\[:, :2\\]\\.$"),
        ({"spatial": np.full((N, 2), np.inf)}, "finite positions"),
        ({"spatial": np.full((N, 2), np.nan)}, "30 spots with a position, found 0 of"),
        ({"spatial": np.ones((N, 2))}, "found all at one"),
        ({"x": np.full((N, G), np.nan)}, "found NaN"),
        ({"x": csr_matrix(np.full((N, G), -1.0))}, "raw counts in X, found -1, so scaled"),
        ({"x": np.zeros((N, G))}, "found only zeros"),
        ({"n": 29}, "at least 30 spots, found 29"),
        ({"g": 1}, "at least 2 genes, found 1"),
    ],
)
def test_slides_that_cannot_be_used(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = saved(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        read_slide(path)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_repeated_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unique spot or cell names, found 1"):
        read_slide(saved(tmp_path, cells=["a", "a", *(f"c{i}" for i in range(N - 2))]))
    with pytest.raises(InputError, match="unique gene names, found 1"):
        read_cells(saved(tmp_path, "genes.h5ad", genes=["a", "a", "b", "c", "d", "e"]))


def test_summary_without_counts(tmp_path: Path) -> None:
    path = saved(tmp_path, x=np.full((N, G), np.nan))
    summary = check_h5ad(path, spatial=True)
    assert summary == ("section", tuple(f"g{i}" for i in range(G)), ("section",))
    assert check_h5ad(saved(tmp_path, "cells.h5ad", n=3, spatial=None), spatial=False).name == "cells"
    with pytest.raises(InputError, match="at least 3 cells, found 2"):
        check_h5ad(saved(tmp_path, "few.h5ad", n=2, spatial=None), spatial=False)


def test_reading_and_refusing_need_no_torch(tmp_path: Path) -> None:
    path = saved(tmp_path)
    code = f"""
    import sys
    from pyg_gears.data import check_h5ad, read_slide, simulate_tissue
    from pyg_gears.data import read_cells
    check_h5ad({str(path)!r}, spatial=True)
    read_slide({str(path)!r})
    assert "torch" not in sys.modules, "torch was imported"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def layout_of(n: int) -> dict[str, object]:
    return {
        "pos": np.random.default_rng(0).normal(size=(n, 2)),
        "confidence": np.linspace(0, 1, n),
        "distances": csr_array(np.eye(n)),
        "info": {"recipe": {"k": 100, "weights": [1, 2], "a/b": None}, "stress": 0.25, "curve": np.arange(3.0)},
    }


def test_layout_keeps_the_source_and_adds_four_things(tmp_path: Path) -> None:
    adata = table()
    adata.obs["label"] = pandas.array(["x"] * N, dtype="string")
    adata.layers["raw"] = adata.X.copy()
    source = tmp_path / "cells.h5ad"
    with anndata.settings.override(allow_write_nullable_strings=True):
        adata.write_h5ad(source)
    parts = layout_of(N)
    write_layout(tmp_path / "from_file.h5ad", source, **parts)
    write_layout(tmp_path / "from_memory.h5ad", adata, **parts)
    assert "X_gears" not in adata.obsm
    for name in ("from_file", "from_memory"):
        result = anndata.read_h5ad(tmp_path / f"{name}.h5ad")
        np.testing.assert_array_equal(result.X, adata.X)
        np.testing.assert_array_equal(result.layers["raw"], adata.X)
        assert list(result.obs["label"]) == ["x"] * N
        np.testing.assert_array_equal(result.obsm["X_gears"], parts["pos"])
        np.testing.assert_array_equal(result.obs["gears_confidence"], parts["confidence"])
        np.testing.assert_array_equal(result.obsp["gears_distances"].toarray(), np.eye(N))
        info = result.uns["gears"]
        assert info["recipe"]["k"] == 100
        assert info["recipe"]["weights"] == "[1, 2]"
        assert info["recipe"]["a_b"] == "null"
        assert info["stress"] == 0.25
        np.testing.assert_array_equal(info["curve"], np.arange(3.0))


def test_outputs_that_cannot_be_written(tmp_path: Path) -> None:
    existing = tmp_path / "there.h5ad"
    existing.write_text("mine")
    with pytest.raises(InputError, match=r"new file at .*, found an existing one"):
        write_layout(existing, table(), **layout_of(N))
    assert existing.read_text() == "mine"
    with pytest.raises(InputError, match="found none; create it"):
        check_output(tmp_path / "nowhere" / "a.h5ad")
    for impossible in (existing / "a.h5ad", Path("/proc/a.h5ad"), tmp_path / ("x" * 300)):
        with pytest.raises(InputError, match="expected"):
            check_output(impossible)
    with pytest.raises(InputError, match="layout of 40 cells, found shapes"):
        write_layout(tmp_path / "new.h5ad", table(), **layout_of(N - 1))
    check_output(tmp_path / "new.h5ad")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.h5ad"]


def test_write_slide_round_trip(tmp_path: Path) -> None:
    slide = Slide(
        "a",
        csr_array(np.eye(N, G)),
        tuple("abcdef"),
        tuple(f"c{i}" for i in range(N)),
        np.eye(N, 2) + np.arange(N)[:, None],
    )
    write_slide(tmp_path / "a.h5ad", slide, obs={"t": np.array(["x"] * N)}, obsm={"other": np.ones((N, 2))})
    again = read_slide(tmp_path / "a.h5ad")
    assert (again.name, again.genes, again.cells) == (slide.name, slide.genes, slide.cells)
    np.testing.assert_array_equal(again.counts.toarray(), slide.counts.toarray())
    np.testing.assert_array_equal(again.pos, slide.pos)
    adata = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert list(adata.obs["t"]) == ["x"] * N
    np.testing.assert_array_equal(adata.obsm["other"], np.ones((N, 2)))


def test_a_kill_during_writing_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "out.h5ad"
    code = f"""
    import time, sys
    from pyg_gears.data.whole_file import whole_file
    with whole_file({str(path)!r}) as temporary, open(temporary, "wb") as file:
        file.write(b"half")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert not path.exists()
    assert all(left.name.startswith(".") for left in tmp_path.iterdir())


def test_a_failing_writer_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, adata: anndata.AnnData) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr("pyg_gears.data.io.anndata_out.store_anndata", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        write_layout(tmp_path / "out.h5ad", table(), **layout_of(N))
    assert list(tmp_path.iterdir()) == []


def test_real_sections_read(real_slides: Path) -> None:
    # The files of a folder were written alike: one of each, and the one of cells.
    files = {(path.parent, path.stem == "tasic_sc"): path for path in sorted(real_slides.rglob("*.h5ad"))}
    assert files
    for path in files.values():
        reader = read_cells if path.stem == "tasic_sc" else read_slide
        slide = reader(path)
        with h5py.File(path) as file:
            assert slide.counts.shape == tuple(file["X"].attrs["shape"])
            assert slide.counts.sum() == pytest.approx(file["X"]["data"][:].sum(dtype=np.float64), rel=1e-4)
        assert (slide.pos is None) == (path.stem == "tasic_sc")


def write_zeros(path: Path, adata: anndata.AnnData) -> anndata.AnnData:
    n = adata.n_obs
    write_layout(path, adata, pos=np.zeros((n, 2)), confidence=np.ones(n), distances=csr_array((n, n)), info={})
    return anndata.read_h5ad(path)


@pytest.mark.parametrize("part", [slice(None), slice(5, 20)], ids=["whole", "view"])
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option")  # anndata, of views
def test_a_layout_of_a_backed_anndata(part: slice, tmp_path: Path) -> None:
    path = saved(tmp_path, x=csr_matrix(np.random.default_rng(0).poisson(1.0, (N, G))))
    backed = anndata.read_h5ad(path, backed="r")
    found = write_zeros(tmp_path / "layout.h5ad", backed[part] if part.start else backed)
    expected = anndata.read_h5ad(path)[part]
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    assert list(found.obs_names) == list(expected.obs_names)
    assert "gears_confidence" in found.obs
    assert backed.isbacked
    assert "gears_confidence" not in backed.obs
    backed.file.close()


def test_a_layout_of_a_lazy_anndata(tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    lazy = anndata.experimental.read_lazy(str(saved(tmp_path)))
    found = write_zeros(tmp_path / "layout.h5ad", lazy)
    np.testing.assert_array_equal(found.X, table().X)


class Unread:
    """An element of an open file, as ``read_lazy`` leaves it in ``uns``."""

    def __deepcopy__(self, memo: object) -> None:
        raise TypeError("h5py objects cannot be pickled")

    def get_duck_array(self) -> SimpleNamespace:
        return SimpleNamespace(array=pd.Categorical(["a", "b", "a"]))


def test_lazy_categoricals_at_any_depth_of_uns_are_read(tmp_path: Path) -> None:
    adata = table()
    adata.uns["top"], adata.uns["deep"] = Unread(), {"below": {"kind": Unread(), "text": "kept"}}
    found = write_zeros(tmp_path / "layout.h5ad", adata)
    assert list(found.uns["top"]) == list(found.uns["deep"]["below"]["kind"]) == ["a", "b", "a"]
    assert found.uns["deep"]["below"]["text"] == "kept"
    assert isinstance(adata.uns["top"], Unread)


def test_a_lazy_anndata_with_categoricals_in_uns(tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    adata = table()
    adata.uns["deep"] = {"kind": pd.Categorical(["a", "b", "a"]), "number": pd.array([1, None], dtype="Int64")}
    adata.write_h5ad(tmp_path / "cells.h5ad")
    found = write_zeros(tmp_path / "layout.h5ad", anndata.experimental.read_lazy(str(tmp_path / "cells.h5ad")))
    assert list(found.uns["deep"]["kind"]) == ["a", "b", "a"]
    assert found.uns["deep"]["number"][0] == 1


def test_a_backed_anndata_without_x_is_passed_as_a_path(tmp_path: Path) -> None:
    adata = table()
    adata.layers["counts"], adata.X = adata.X, None
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(
        InputError, match=r"read into memory, found one that cannot \(.*'X'.*\); pass its file's path\.$"
    ):
        write_zeros(tmp_path / "layout.h5ad", backed)
    backed.file.close()
