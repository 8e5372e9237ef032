from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas
import pytest
from anndata.io import write_elem
from h5py import h5g, h5o, h5s
from scipy.sparse import csc_matrix, csr_matrix

from pyg_gears.data.io.inspection import inspect_file, limits
from pyg_gears.data.io.inspection.__main__ import verdict
from pyg_gears.data.io.inspection.hdf5_tree import hdf5_tree
from pyg_gears.data.io.inspection.limits import Budget
from pyg_gears.data.io.inspection.node import Unfit
from pyg_gears.data.io.inspection.zarr_tree import zarr_tree
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import write_table

N, G = 40, 6


def table() -> anndata.AnnData:
    rng = np.random.default_rng(0)
    adata = anndata.AnnData(csr_matrix(rng.poisson(1.0, (N, G)).astype(np.float32)))
    adata.obs["type"] = pandas.Categorical(rng.choice(["a", "b"], N))
    adata.obs["note"] = [f"é{i}" for i in range(N)]
    adata.obs["maybe"] = pandas.array([1, None] * (N // 2), dtype="Int64")
    adata.obs["flag"] = rng.random(N) < 0.5
    adata.obsm["spatial"] = rng.normal(size=(N, 2))
    adata.obsm["frame"] = pandas.DataFrame({"u": np.arange(N)}, index=adata.obs_names)
    adata.obsp["near"] = csr_matrix(np.eye(N))
    adata.varm["loadings"] = np.ones((G, 3))
    adata.layers["twice"] = csr_matrix(2 * adata.X)
    adata.uns["info"] = {"text": "words", "none": None, "records": np.zeros(3, dtype=[("a", "i4"), ("b", "f8")])}
    adata.raw = adata
    return adata


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "cells.h5ad"
    table().write_h5ad(path, compression="gzip")
    return path


ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}
TEXT = {"encoding-type": "string-array", "encoding-version": "0.2.0"}  # from anndata 0.13 on, text has a mask beside it
Edit = Callable[[h5py.File], object]


def found_after(edit: Edit, sound: Path, folder: Path) -> str:
    path = folder / "cells.h5ad"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        edit(file)
    answer = verdict(path)
    assert "kind" not in answer, "nothing was found"
    return answer["found"]


def put(name: str, values: object, **attrs: object) -> Edit:
    """Replace an array and keep its attributes."""

    def edit(file: h5py.File) -> None:
        kept = {**(dict(file[name].attrs) if name in file else {}), **attrs}
        if name in file:
            del file[name]
        file[name] = values
        file[name].attrs.update(kept)

    return edit


def one(name: str, place: int, value: object) -> Edit:
    """Replace one value of an array."""

    def edit(file: h5py.File) -> None:
        values = file[name][:]
        values[place] = value
        file[name][:] = values

    return edit


def attribute(name: str, key: str, value: object) -> Edit:
    return lambda file: file[name].attrs.__setitem__(key, value)


def remove(name: str) -> Edit:
    return lambda file: file.__delitem__(name)


def link(name: str, target: object) -> Edit:
    return lambda file: file.__setitem__(name, file[target] if isinstance(target, str) else target)


def external_storage(file: h5py.File) -> None:
    file.create_dataset("uns/secret", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((N, 2), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "obsm/spatial", (N, 2))
    file.create_virtual_dataset("obsm/virtual", layout)


def plug_in(file: h5py.File) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    h5py.h5d.create(file["uns"].id, b"packed", h5py.h5t.NATIVE_INT32, h5s.create_simple((4,)), properties)


def huge(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Edit:
    return lambda file: file.create_dataset(
        "uns/huge", shape, "f8", chunks=chunks, maxshape=[None] * len(shape), compression="gzip"
    )


def deep(file: h5py.File) -> None:
    file.create_group("uns/" + "/".join("d" * 60))


def name_that_is_no_text(file: h5py.File) -> None:
    h5g.create(file["uns"].id, b"\xff\xfe")


HOSTILE: dict[str, tuple[Edit, str]] = {
    "external storage": (external_storage, "uns/secret keeps its values in other files"),
    "external link": (link("uns/secret", h5py.ExternalLink("other.h5", "/")), "uns/secret is a link to another file"),
    "soft link": (link("uns/other", h5py.SoftLink("/X")), "uns/other is a soft link"),
    "dangling link": (link("obsm/other", h5py.SoftLink("/nowhere")), "obsm/other is a soft link"),
    "virtual": (virtual, "obsm/virtual keeps its values in other files"),
    "plug-in": (plug_in, r"uns/packed is compressed with a plug-in \(filter 32015\)"),
    "circle": (link("uns/up", "/"), "is a group that is linked twice"),
    "two ways": (link("uns/again", "/obs"), "is a group that is linked twice"),
    "reference": (
        lambda f: put("uns/ref", np.array([f["X"].ref], dtype=h5py.ref_dtype))(f),
        "uns/ref holds references",
    ),
    "region": (
        lambda f: attribute("uns", "region", f["obsm/spatial"].regionref[:2])(f),
        "attribute region of uns holds references",
    ),
    "lists": (
        lambda f: f.create_dataset("uns/lists", (2,), h5py.vlen_dtype(np.int32)),
        "uns/lists holds lists of any length",
    ),
    "opaque": (put("uns/opaque", np.zeros(3, "V5")), "uns/opaque holds opaque bytes"),
    "a type": (lambda f: f.__setitem__("uns/type", np.dtype("f8")), "uns/type is a type and not a value"),
    "huge": (huge((10**12,), (1000,)), "with uns/huge it declares .* GiB"),
    "huge chunk": (huge((10,), (4 * 10**8,)), "with uns/huge it declares .* GiB"),
    "deep": (deep, "nested deeper than 32 levels"),
    "name": (name_that_is_no_text, "the name of an element of uns is not UTF-8"),
}

DAMAGED: dict[str, tuple[Edit, str]] = {
    "index above": (one("X/indices", 3, G), "X/indices point outside of the matrix"),
    "index below": (one("layers/twice/indices", 3, -3), "layers/twice/indices point outside"),
    "index of obsp": (one("obsp/near/indices", 0, 10**8), "obsp/near/indices point outside"),
    "index of raw": (one("raw/X/indices", 0, 10**8), "raw/X/indices point outside"),
    "pointer": (one("X/indptr", 5, 10**7), "X/indptr does not climb"),
    "first pointer": (one("X/indptr", 0, 1), "X/indptr does not start at 0"),
    "last pointer": (one("X/indptr", -1, 10**7), "X/indptr ends at 10000000 and not at"),
    "pointers missing": (put("X/indptr", np.zeros(4, "i4")), "4 pointers for 40 rows or columns"),
    "values missing": (put("X/data", np.zeros(0)), "X has 0 values, .* indices"),
    "text for indices": (put("X/indices", np.full(9, b"x")), "X/indices is no list of integers"),
    "text for values": (put("X/data", np.full(9, b"x")), "X/data is no list of numbers"),
    "shape is text": (attribute("X", "shape", "abc"), "the shape of X is no pair of sizes"),
    "shape below 0": (attribute("X", "shape", [-1, G]), "the shape of X is no pair of sizes"),
    "shape of three": (attribute("obsp/near", "shape", [N, N, N]), "the shape of obsp/near is no pair of sizes"),
    "other shape": (attribute("X", "shape", [N, G + 1]), r"X has shape \(40, 7\) where \(40, 6\) is due"),
    "no indptr": (remove("X/indptr"), "X has no array indptr"),
    "three dimensions": (put("X", np.ones((N, G, 2)), **ARRAY), "X is no table of two dimensions"),
    "scalar": (put("X", 3.0, **ARRAY), r"X has shape \(\) where"),
    "encoding": (attribute("uns/info/text", "encoding-type", "evil"), "uns/info/text has the unknown encoding evil"),
    "version": (
        attribute("obs/note", "encoding-version", "9.9"),
        r"obs/note has the unknown encoding (nullable-)?string-array 9.9",
    ),
    "encoding is no text": (attribute("uns", "encoding-type", [1, 2]), "uns has the unknown encoding"),
    "a group called array": (attribute("X", "encoding-type", "array"), "unknown encoding array 0.1.0"),
    "an array called table": (
        attribute("obsm/spatial", "encoding-type", "dataframe"),
        "is called dataframe and is an array",
    ),
    "numbers called text": (
        put("obs/note", np.arange(N), **TEXT),
        "obs/note is called string-array and holds other values",
    ),
    "obsm is an array": (put("obsm", np.ones((N, 2)), **ARRAY), "obsm is an array and not a group"),
    "column missing": (attribute("obs", "column-order", ["nowhere"]), "obs has no column nowhere"),
    "column twice": (attribute("obs", "column-order", ["note", "note"]), "obs names a column twice"),
    "column of a name that is taken": (
        lambda f: f["obs"].attrs.update({"_index": "note", "column-order": np.array(["_index"], object)}),
        "obs names a column twice",
    ),
    "other names": (
        put("obsm/frame/_index", np.array([f"x{i}" for i in range(N)], "S"), **TEXT),
        "obsm/frame has other names",
    ),
    "unknown element": (lambda f: f.move("layers", "layers_"), "an AnnData object has no element layers_"),
    "columns are numbers": (attribute("obs", "column-order", [1, 2]), "the columns of obs are not named"),
    "index is a number": (attribute("var", "_index", 3), "var"),
    "index missing": (remove("var/_index"), "var has no column _index"),
    "index of numbers": (put("var/_index", np.ones(G, "c16"), **ARRAY), "var/_index"),
    "column too long": (put("obs/flag", np.ones(N + 1, bool)), "obs/flag does not have 40 single values"),
    "column of pairs": (put("obs/flag", np.ones((N, 2), bool)), "obs/flag does not have 40 single values"),
    "column of a table": (put("obsm/frame/u", np.arange(3)), "obsm/frame/u does not have 40 single values"),
    "positions too few": (put("obsm/spatial", np.ones((N - 1, 2))), r"obsm/spatial has shape \(39, 2\) where \(40,\)"),
    "loadings too many": (put("varm/loadings", np.ones((G + 1, 2))), "varm/loadings has shape"),
    "obsp is no square": (put("obsp/other", np.ones((N, 2))), "obsp/other has shape"),
    "codes": (one("obs/type/codes", 1, 7), "obs/type/codes points to categories that are not there"),
    "codes of fractions": (put("obs/type/codes", np.ones(N)), "obs/type/codes are no codes"),
    "categories twice": (put("obs/type/categories", np.array([b"a", b"a"])), "names a category twice"),
    "categories missing": (remove("obs/type/categories"), "obs/type has no array categories"),
    "mask": (put("obs/maybe/mask", np.ones(3, bool)), "obs/maybe/mask has shape"),
    "mask of numbers": (put("obs/maybe/mask", np.ones(N)), "obs/maybe holds other values"),
    "text": (put("var/_index", np.array([b"\xff%d" % i for i in range(G)]), **TEXT), "text in var/_index is not UTF-8"),
    "truth": (
        lambda f: f["obs/flag"].id.write(h5s.ALL, h5s.ALL, np.full(N, 7, "i1"), f["obs/flag"].id.get_type()),
        "truth",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_leads_out_of_a_file_or_in_circles_is_found(case: str, sound: Path, tmp_path: Path) -> None:
    edit, text = HOSTILE[case]
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found_after(edit, sound, tmp_path))


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_found_before_anything_is_read(case: str, sound: Path, tmp_path: Path) -> None:
    edit, text = DAMAGED[case]
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(found_after(edit, sound, tmp_path))


def test_sound_files_pass(sound: Path, tmp_path: Path) -> None:
    assert inspect_file(sound, "hdf5") == "anndata"
    empty = tmp_path / "empty.h5ad"
    anndata.AnnData(obs=table().obs).write_h5ad(empty)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["values"] = np.arange(3)
        file["a/b"] = "text"
    assert [verdict(path) for path in (empty, other)] == [{"kind": "anndata"}, {"kind": "other"}]


def test_a_column_may_be_the_index_too(tmp_path: Path) -> None:
    adata = table()
    adata.obs["cell"] = list(adata.obs_names)
    adata.obs.index.name = "cell"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    assert verdict(tmp_path / "cells.h5ad") == {"kind": "anndata"}


@pytest.mark.filterwarnings("ignore:Forward slashes")
def test_a_slash_in_the_name_of_a_column_or_the_index_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    adata = table()
    adata.obs["CD4/CD8"], adata.obs["type/fine"] = np.arange(N), pandas.Categorical(["a", "b"] * (N // 2))
    adata.var.index.name = "gene/id"
    write_table(adata, path)
    assert verdict(path) == {"kind": "anndata"}
    with h5py.File(path, "r+") as file:
        file.move("obs/CD4/CD8", "obs/CD4/CD9")
    assert verdict(path)["found"] == "obs has no column CD4/CD8"


def test_awkward_arrays_need_their_package(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cells.h5ad"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        file["uns"].create_group("lists").attrs.update({"encoding-type": "awkward-array", "encoding-version": "0.1.0"})
    monkeypatch.setattr("pyg_gears.data.io.inspection.anndata_rules.find_spec", lambda name: None)
    assert verdict(path)["found"] == "uns/lists is an awkward array"
    monkeypatch.setattr("pyg_gears.data.io.inspection.anndata_rules.find_spec", lambda name: name)
    assert verdict(path) == {"kind": "anndata"}


def test_categories_of_dtype_string_pass_and_none_is_missing(sound: Path, tmp_path: Path) -> None:
    """anndata up to 0.12 writes them as a group of values and mask; what is installed here may write them otherwise."""
    path = tmp_path / "text.h5ad"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        categories = file["obs/type/categories"][:]
        del file["obs/type/categories"]
        group = file.create_group("obs/type/categories")
        group.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0"})
        write_elem(group, "values", categories.astype(str).astype(object))
        write_elem(group, "mask", np.zeros(len(categories), bool))
    assert verdict(path) == {"kind": "anndata"}
    assert list(anndata.read_h5ad(path).obs["type"]) == list(anndata.read_h5ad(sound).obs["type"])
    assert "points to categories that are not there" in found_after(one("obs/type/codes", 1, 7), path, tmp_path)
    assert "names a category twice or not at all" in found_after(
        one("obs/type/categories/mask", 1, True), path, tmp_path
    )


def test_categories_of_anndata_0_7_pass_and_their_references_stay_in_the_table(sound: Path, tmp_path: Path) -> None:
    def old(file: h5py.File) -> None:
        codes, categories = file["obs/type/codes"][:], file["obs/type/categories"][:]
        del file["obs/type"]
        file["obs/__categories/type"] = categories
        file["obs/type"] = codes
        file["obs/type"].attrs["categories"] = file["obs/__categories/type"].ref
        file["obs"].attrs["encoding-version"] = "0.1.0"

    path = tmp_path / "old.h5ad"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        old(file)
    assert verdict(path) == {"kind": "anndata"}
    with pytest.warns(anndata.OldFormatWarning):
        assert list(anndata.read_h5ad(path).obs["type"]) == list(anndata.read_h5ad(sound).obs["type"])

    def elsewhere(file: h5py.File) -> None:
        old(file)
        file["obs/type"].attrs["categories"] = file["obs"].ref

    assert "the categories of obs/type are nowhere" in found_after(elsewhere, sound, tmp_path)


def test_a_loop_inside_the_library_ends_and_is_damage(tmp_path: Path) -> None:
    # HDF5 2.0 never returns from a file whose heap is overwritten with zeros; the loop here does not depend on that.
    code = """
    import sys
    from pyg_gears.data.io.inspection import limits
    limits.STEP_SECONDS = 0.2
    limits.limit_process(2**33)
    limits.start_step()
    sum(range(10**12))
    """
    ended = subprocess.run([sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())], check=False)
    assert ended.returncode < 0
    plain = tmp_path / "plain.h5ad"
    adata = anndata.AnnData(np.ones((60, 60), np.float32))
    adata.obs["type"] = pandas.Categorical(["a", "b"] * 30)
    adata.write_h5ad(plain)
    whole = plain.read_bytes()
    for offset in range(1000, 9000, 2000):
        path = tmp_path / f"{offset}.h5ad"
        path.write_bytes(whole[:offset] + bytes(3000) + whole[offset + 3000 :])
        begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with contextlib.suppress(InputError):
            inspect_file(path, "hdf5")
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun < 60


def test_a_limit_of_the_memory_that_is_there_is_kept() -> None:
    """``ulimit -v``, as schedulers set it: below what is free, soft and hard."""
    code = """
    import resource
    from pyg_gears.data.io.inspection import limits
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**32))
    limits.limit_process(2**40)
    print(resource.getrlimit(resource.RLIMIT_AS))
    """
    lines = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [f"({2**31},", f"{2**31})"]


def test_the_sentence_of_a_refusal(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.h5ad"
    path.write_bytes(sound.read_bytes()[:5000])
    with pytest.raises(
        InputError, match=r"expected a readable file at .*cut.h5ad, found a damaged or unsafe one \(.*\); copy it again"
    ):
        inspect_file(path, "hdf5")
    with h5py.File(path, "w") as file:
        plug_in_file = file.create_group("uns").file
        plug_in(plug_in_file)
    with pytest.raises(InputError, match=r"plug-in .*; write it with compression='gzip'\."):
        inspect_file(path, "hdf5")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (("-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"), r"crashes with signal 11"),
        (("-c", "import os, signal; os.kill(os.getpid(), signal.SIGPROF)"), r"does not come to an end"),
        (("-c", "import time; time.sleep(60)"), r"does not come to an end"),
    ],
)
def test_how_the_child_ends_is_told(
    ending: tuple[str, ...], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyg_gears.data.io.inspection import inspect_file as module_name  # the function hides its module

    module = sys.modules[module_name.__module__]
    path = tmp_path / "any.h5ad"
    path.write_bytes(b"any")
    run = subprocess.run
    monkeypatch.setattr(module, "WAIT_SECONDS", 1)
    monkeypatch.setattr(module.subprocess, "run", lambda command, **rest: run([command[0], *ending], **rest))
    with pytest.raises(InputError, match=text):
        inspect_file(path, "hdf5")
    monkeypatch.setattr(module.subprocess, "run", lambda command, **rest: run([command[0], "-c", "0 / 0"], **rest))
    with pytest.raises(RuntimeError, match=r"did not start: (.|\n)*ZeroDivisionError"):
        inspect_file(path, "hdf5")


def test_a_file_is_looked_through_once_and_again_when_it_changes(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, started, run = tmp_path / "cells.h5ad", [], subprocess.run
    shutil.copy(sound, path)
    monkeypatch.setattr(subprocess, "run", lambda *args, **rest: started.append(args) or run(*args, **rest))
    inspect_file(path, "hdf5")
    inspect_file(path, "hdf5")
    assert len(started) == 1
    with h5py.File(path, "r+") as file:
        one("X/indices", 0, 10**6)(file)
    with pytest.raises(InputError, match="X/indices point outside"):
        inspect_file(path, "hdf5")


def test_the_child_needs_no_module_of_the_folder_it_runs_in(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "h5py.py").write_text("raise ImportError('not this one')")
    (tmp_path / "cells.h5ad").write_bytes(sound.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert inspect_file("cells.h5ad", "hdf5") == "anndata"


def test_what_a_file_may_declare() -> None:
    budget = Budget(stored=10 * 2**20)
    budget.add_bytes(2**30, "a")
    budget.add_bytes(900 * 2**20, "b")
    with pytest.raises(Unfit, match=r"with c it declares 2.0 GiB, more than 200 times what it stores"):
        budget.add_bytes(100 * 2**20, "c")
    with pytest.raises(Unfit, match="of memory are free"):
        Budget(stored=2**50).add_bytes(2**49, "d")
    for _ in range(100_000):
        budget.add_element(1)
    with pytest.raises(Unfit, match="more than 100000 elements"):
        budget.add_element(1)


@pytest.mark.parametrize("form", ["hdf5", "zarr"])
def test_tables_that_are_read_in_blocks_may_exceed_the_memory(tmp_path: Path, monkeypatch, form: str) -> None:
    """One table of 0.8 MB, and 1 MB of memory for all that is read whole."""
    monkeypatch.setattr(limits, "available_memory", lambda: 10**6)
    rng = np.random.default_rng(0)

    def tree(**tables: Any) -> None:
        path = tmp_path / "a"
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        adata = anndata.AnnData(tables.pop("X"), **{name: {"more": one} for name, one in tables.items()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # anndata announces other defaults of zarr
            adata.write_h5ad(path) if form == "hdf5" else adata.write_zarr(path)
        with hdf5_tree(path) if form == "hdf5" else zarr_tree(path) as root:
            root.visit()

    dense = rng.integers(1, 9, (1000, 100))
    assert dense.nbytes == 800_000
    sparse = csr_matrix(dense.astype(np.float32))  # as large
    for table in (dense, sparse):
        tree(X=table, layers=table)
    for matrix, beside in ((dense, np.tile(dense, 2)), (csc_matrix(sparse), dense[:, :70])):
        with pytest.raises(Unfit, match="of memory are free"):
            tree(X=matrix, obsm=beside)


def test_strings_count_by_their_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shared.h5"
    with h5py.File(path, "w") as file:
        file["words"] = ["x" * 2**16] * 64
    monkeypatch.setattr("pyg_gears.data.io.inspection.limits.ALWAYS_ALLOWED", 2**21)
    monkeypatch.setattr("pyg_gears.data.io.inspection.limits.MAX_RATIO", 0)
    assert "with words it declares" in verdict(path)["found"]


def test_many_links_to_one_array_are_no_way_around_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        first = file.create_dataset("0", (2**16,), "u1", chunks=(2**10,))
        for number in range(1, 40):
            h5o.link(first.id, file.id, str(number).encode())
    monkeypatch.setattr("pyg_gears.data.io.inspection.limits.ALWAYS_ALLOWED", 2**21)
    assert "more than 200 times what it stores" in verdict(path)["found"]


RELATIVES = {
    "mudata": (lambda f: f.attrs.__setitem__("encoding-type", "MuData"), "a MuData file", "mdata.mod"),
    "loom": (
        lambda f: [f.create_group(key) for key in ("matrix", "row_attrs", "col_attrs")],
        "a loom file",
        "read_loom",
    ),
    "seurat": (lambda f: [f.create_group(key) for key in ("assays", "cell.names")], "an h5Seurat file", "SeuratDisk"),
    "molecules": (
        lambda f: [f.create_group(key) for key in ("barcode_idx", "feature_idx", "umi")],
        "molecule information",
        "filtered_feature_bc_matrix.h5",
    ),
}


@pytest.mark.parametrize("case", RELATIVES)
def test_relatives_are_named_with_the_way_to_convert_them(case: str, tmp_path: Path) -> None:
    edit, found, remedy = RELATIVES[case]
    path = tmp_path / "relative.h5"
    with h5py.File(path, "w") as file:
        edit(file)
    answer = verdict(path)
    assert found in answer["found"]
    assert remedy in answer["remedy"]


@pytest.fixture(params=[2, 3])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written_store(tmp_path, request.param)


def written_store(folder: Path, version: int = 3) -> Path:
    path = folder / "cells.zarr"
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore")  # about defaults of the next release
        table().write_zarr(path)
    return path


def metadata_of(store: Path, name: str) -> Path:
    return next(path for path in (store / name / ".zarray", store / name / "zarr.json") if path.exists())


def edit_metadata(store: Path, name: str, change: Callable[[dict], object]) -> None:
    path = metadata_of(store, name)
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def edit_group(store: Path, change: Callable[[dict], object]) -> None:
    path = next(path for path in (store / ".zgroup", store / "zarr.json") if path.exists())
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def pickled(found: dict) -> None:
    if "codecs" in found:
        found["codecs"].insert(0, {"name": "pickle", "configuration": {}})
    else:
        found["filters"] = [{"id": "pickle"}]


def renamed_chunks(found: dict) -> None:
    if "codecs" in found:
        found["chunk_key_encoding"]["configuration"]["separator"] = "/../"
    else:
        found["dimension_separator"] = "/../"


STORES: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (lambda s: (s / "uns" / "c").symlink_to("/etc/hostname"), "uns/c is a link"),
    "linked folder": (lambda s: (s / "uns" / "more").symlink_to("/etc"), "uns/more is a link"),
    "pipe": (lambda s: os.mkfifo(s / "X" / "pipe"), "X/pipe is neither a file nor a folder"),
    "code": (lambda s: edit_metadata(s, "obs/flag", pickled), "obs/flag is packed with the unknown codec pickle"),
    "chunks elsewhere": (lambda s: edit_metadata(s, "X/data", renamed_chunks), "X/data keeps its chunks under unknown"),
    "huge": (
        lambda s: edit_metadata(s, "X/indptr", lambda m: m.update(shape=[10**12])),
        "with X/indptr it declares",
    ),
    "shape": (lambda s: edit_metadata(s, "X/data", lambda m: m.update(shape=[-1])), "the shape of X/data is no list"),
    "ranks": (lambda s: edit_metadata(s, "X/data", lambda m: m.update(shape=[1, 1])), "sizes of X/data .*disagree"),
    "no JSON": (lambda s: metadata_of(s, "X/data").write_text("[" * 10**5), "the metadata of X/data is no JSON"),
    "a list": (lambda s: metadata_of(s, "X/data").write_text("[]"), "the metadata of X/data is no JSON object"),
    "large": (lambda s: metadata_of(s, "X/data").write_bytes(bytes(2**24 + 1)), "X/.* is larger than 16 MiB"),
    "format": (
        lambda s: edit_metadata(s, "X/data", lambda m: m.update(zarr_format=9)),
        "X/data is of zarr format 9 in a",
    ),
    "no format": (lambda s: edit_group(s, lambda m: m.pop("zarr_format")), "the root is of zarr format None in a file"),
    "incomplete": (lambda s: metadata_of(s, "X/data").write_text('{"zarr_format": 3, "node_type": "array"}'), "X/data"),
}


@pytest.mark.parametrize("case", STORES)
def test_unsafe_and_damaged_stores(case: str, store: Path) -> None:
    assert verdict(store, "zarr") == {"kind": "anndata"}
    edit, text = STORES[case]
    edit(store)
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(verdict(store, "zarr")["found"])


def test_types_of_a_newer_zarr(tmp_path: Path) -> None:
    """Records in zarr 3.4 are called "struct", which zarr 3.1 does not know."""
    path = written_store(tmp_path)
    edit_metadata(path, "obsm/spatial", lambda m: m.update(data_type="of_tomorrow"))
    with pytest.raises(
        InputError,
        match=r"obsm/spatial holds values of a type that zarr \d\S+ does not know\); upgrade zarr .*, or write .*write_h5ad\.",
    ):
        inspect_file(path, "zarr")


def test_indices_in_a_store_are_checked(tmp_path: Path) -> None:
    import zarr

    path = written_store(tmp_path)
    indices = zarr.open_group(path, mode="r+", use_consolidated=False)["X/indices"]
    indices[3] = 10**6
    assert "X/indices point outside" in verdict(path, "zarr")["found"]


def zipped(path: Path, names: dict[str, bytes] | None = None, top: str = "") -> Path:
    archive_path = path.with_suffix(".zarr.zip")
    with zipfile.ZipFile(archive_path, "w") as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, f"{top}{file.relative_to(path)}")
        for name, value in (names or {}).items():
            archive.writestr(name, value)
    return archive_path


def test_text_in_a_store_has_no_null_characters(tmp_path: Path) -> None:
    import zarr

    path = written_store(tmp_path)
    notes = zarr.open_group(path, mode="r+", use_consolidated=False)["obs/note"]
    (notes if isinstance(notes, zarr.Array) else notes["values"])[3] = "a\0b"
    assert re.search("text in obs/note(/values)? has null characters", verdict(path, "zarr")["found"])


def test_archives(store: Path) -> None:
    assert verdict(zipped(store), "zarr") == {"kind": "anndata"}
    assert verdict(zipped(store, top="cells.zarr/"), "zarr") == {"kind": "anndata"}
    assert "../evil leads out of the archive" in verdict(zipped(store, {"../evil": b""}), "zarr")["found"]
    assert "/evil leads out of the archive" in verdict(zipped(store, {"/evil": b""}), "zarr")["found"]
    linked = zipfile.ZipInfo("uns/link")
    linked.external_attr = 0o120777 << 16
    with zipfile.ZipFile(zipped(store), "a") as archive:
        archive.writestr(linked, "/etc/hostname")
    assert "uns/link is a link" in verdict(store.with_suffix(".zarr.zip"), "zarr")["found"]
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(
            store, {f"X/{metadata_of(store, 'X/data').name}": b"{}", "X/data/zarr.json": b"", "X/data/.zarray": b""}
        )
    assert "occurs twice" in verdict(twice, "zarr")["found"]


def test_a_file_that_is_two_things_is_looked_through_as_it_is_read(sound: Path, tmp_path: Path) -> None:
    """HDF5 in front and an archive behind it, which would execute code."""
    store = written_store(tmp_path, 2)
    edit_metadata(store, "obs/flag", pickled)
    both = tmp_path / "both.zarr.zip"
    shutil.copy(sound, both)
    with zipfile.ZipFile(both, "a") as archive:
        for file in sorted(store.rglob("*")):
            archive.write(file, file.relative_to(store))
    assert inspect_file(both, "hdf5") == "anndata"
    with pytest.raises(InputError, match="unknown codec pickle"):
        inspect_file(both, "zarr")


def test_a_store_is_looked_through_again_when_it_changes(tmp_path: Path) -> None:
    store = written_store(tmp_path)
    assert inspect_file(store, "zarr") == "anndata"
    (store / "uns" / "link").symlink_to("/nowhere")
    with pytest.raises(InputError, match=r"uns/link is a link\); copy it again, or write it with anndata's write_zarr"):
        inspect_file(store, "zarr")
