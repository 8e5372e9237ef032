"""Reads the files that are named on its input and answers each with ``null``, or with what was wrong, as JSON."""

from __future__ import annotations

import json
import sys
import traceback
import warnings
from pathlib import Path

import anndata
import numpy as np

from pyg_gears.data import read_cells, read_slide
from pyg_gears.data.open_source import open_source
from pyg_gears.errors import InputError


def check(path: Path) -> str | None:
    """Read a file as cells, as a slide and as a whole; None when each is refused, or right by anndata's own reader."""
    try:
        cells = read_cells(path)
        with open_source(path) as source:
            whole = source.to_anndata()
    except InputError as refusal:
        return _sentence(refusal)
    try:
        read_slide(path)
    except InputError as refusal:
        return _sentence(refusal)
    if path.suffix == ".h5ad":
        reference = anndata.read_h5ad(path)
    elif path.suffix == ".zarr":
        reference = anndata.io.read_zarr(path)
    else:
        reference = whole
    # The reader may take raw or a layer where X is no table of counts, and leaves out spots off the tissue.
    choices = [reference.X, *reference.layers.values(), *([reference.raw.X] if reference.raw is not None else [])]
    known = [_dense(choice) for choice in choices if choice is not None]
    found = cells.counts.toarray()
    if not any(x.shape == found.shape and np.array_equal(x, found) for x in known):
        return "the counts differ from those that anndata reads"
    if list(cells.cells) != list(map(str, reference.obs_names)):
        return "the names differ from those that anndata reads"
    return None


def _dense(x: object) -> np.ndarray:
    return np.asarray(x.toarray() if hasattr(x, "toarray") else x).astype(np.float32)


def _sentence(refusal: InputError) -> str | None:
    text = str(refusal)
    return None if "\n" not in text and len(text) < 1500 and text.endswith(".") else f"no sentence: {text[:300]!r}"


def answer(path: Path) -> str | None:
    """What to say about a path, whatever is raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return check(path)
    except Exception:
        return traceback.format_exc()[-1500:]


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(Path(line.rstrip("\n")))) + "\n")
        sys.stdout.flush()
