"""A small table with positions, to be made odd in one way, and what reading it says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
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


def both_ways(table: anndata.AnnData, folder: Path, **choices: str) -> tuple[list[Slide], str]:
    """The slides of a table read from memory and from a file, which must agree in all, and what was said."""
    path = folder / "table.h5ad"
    path.unlink(missing_ok=True)
    table.write_h5ad(path)
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
