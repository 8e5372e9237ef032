"""Damaged files of every format: each is read right or refused in one sentence, without a crash or an endless loop."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import anndata
import numpy as np
import zarr

from pyg_gears.data import read_cells, read_slide
from pyg_gears.data.io.open_source import open_source
from pyg_gears.errors import InputError
from tests.damage.damage import damage_bytes, damage_elements
from tests.damage.write import FORMATS, write, zipped

KIND = "files"


def attempt(seed: int) -> str | None:
    """Damage one file and read it; None when it was refused, or read as anndata's own reader reads it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(_damaged(seed, Path(folder))[0])


def describe(seed: int) -> str:
    """What is damaged, and how."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _damaged(seed, Path(folder))[1]


def _damaged(seed: int, folder: Path) -> tuple[Path, str]:
    rng = np.random.default_rng(seed)
    form = FORMATS[seed % len(FORMATS)]
    if form == "zip" and rng.random() < 0.7:
        # Damage inside of an archive whose checksums are right.
        store = write("zarr 3", folder, rng)
        done = damage_bytes(store, rng)
        return zipped(store), f"{form} of a store: {done}"
    path = write(form, folder, rng)
    elements = path.suffix in (".h5ad", ".h5") and rng.random() < 0.5
    return path, f"{form}: {damage_elements(path, rng) if elements else damage_bytes(path, rng)}"


def check(path: Path) -> str | None:
    """Read a file as cells, as a slide and as a whole, and write it again.

    None when it is refused at once, or right by anndata's own reader, and no damage is found later.
    """
    try:
        cells = read_cells(path)
    except InputError as refusal:
        return _sentence(refusal)
    with open_source(path) as source:
        whole = source.to_anndata()
    whole.write_h5ad(path.with_name("again.h5ad"))
    try:
        read_slide(path)
    except InputError as refusal:
        return _sentence(refusal)
    if path.suffix == ".h5ad":
        reference = anndata.read_h5ad(path)
    elif path.suffix == ".zarr":
        # Consolidated metadata is not read by us, and may be what is damaged.
        reference = anndata.io.read_zarr(zarr.open_group(path, mode="r", use_consolidated=False))
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
