"""A small table with positions, to be made odd in one way, and what reading it says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd

from pyg_gears.data import Slide, read_slides, slides_from_anndata
from pyg_gears.errors import InputError

SPOTS, GENES = 90, 25


def plain_table(spots: int = SPOTS, seed: int = 0) -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.7, 4, GENES) * rng.uniform(0.4, 2, (spots, 1))).astype(np.float32)
    counts[:, 0] += 1
    table = anndata.AnnData(counts, obs=pd.DataFrame(index=[f"spot{i}" for i in range(spots)]))
    table.var_names = [f"gene{i}" for i in range(GENES)]
    table.obsm["spatial"] = rng.uniform(0, 500, (spots, 2))
    return table


def write_table(table: anndata.AnnData, path: Path) -> None:
    """Write a table; a slash in the name of a column or index leads into a group, as in files of anndata before 0.13.

    Later versions refuse to write such names.
    """
    names = [*table.obs, *table.var, table.obs.index.name, table.var.index.name]
    if not any("/" in str(name) for name in names):
        table.write_h5ad(path)
        return
    mark, safe = "__slash__", table.copy()
    for frame in (safe.obs, safe.var):
        frame.columns = [name.replace("/", mark) for name in frame.columns]
        frame.index.name = frame.index.name and frame.index.name.replace("/", mark)
    safe.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        for group in (file["obs"], file["var"]):
            marked = [name for name in group if mark in name]
            for name in marked:
                group.move(name, name.replace(mark, "/"))
            if marked:
                group.attrs["_index"] = group.attrs["_index"].replace(mark, "/")
                order = [name.replace(mark, "/") for name in group.attrs["column-order"]]
                group.attrs.create("column-order", order, dtype=h5py.string_dtype(), shape=(len(order),))


def both_ways(table: anndata.AnnData, folder: Path, **choices: str) -> tuple[list[Slide], str]:
    """The slides of a table read from memory and from a file, which must agree in all, and what was said."""
    path = folder / "table.h5ad"
    path.unlink(missing_ok=True)
    write_table(table, path)
    ways: list[Callable[[], list[Slide]]] = [
        lambda: slides_from_anndata(table, "table", **choices),  # type: ignore[arg-type]
        lambda: read_slides(path, **choices),  # type: ignore[arg-type]
    ]
    found: list[Any] = []
    for way in ways:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                found.append((way(), " ".join(str(one.message) for one in heard)))
            except InputError as error:
                found.append(error)
    memory, stored = found
    if isinstance(memory, InputError):
        assert str(memory) == str(stored)
        raise memory
    assert memory[1] == stored[1]
    for one, other in zip(memory[0], stored[0], strict=True):
        assert (one.name, one.genes, one.cells) == (other.name, other.genes, other.cells)
        np.testing.assert_array_equal(one.counts.toarray(), other.counts.toarray())
        np.testing.assert_array_equal(one.pos, other.pos)
    return stored
