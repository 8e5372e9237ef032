"""Files of pseudo-spots and of the cells to be placed, made from files of sections of single cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears import __version__
from pyg_gears.data.io.anndata_in import DEFAULT
from pyg_gears.data.io.anndata_out import check_outputs, slide_anndata
from pyg_gears.data.io.checked_files import checked_files
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.io.store_anndata import store_anndata
from pyg_gears.data.slide import MIN_SPOTS, Slide
from pyg_gears.data.spot_grid import CORE, GRID, MIN_CELLS, disjoint_halves, pseudo_spots
from pyg_gears.data.whole_file import whole_file, writing
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def write_pseudo_spots(
    out: FilePath,
    sources: Sequence[FilePath],
    *,
    grid: int | tuple[int, int] = GRID,
    core: float = CORE,
    min_cells: int = MIN_CELLS,
    shift: float = 0.0,
    halves: bool = False,
    seed: int = 0,
    reading: ReadOptions = DEFAULT,
) -> list[Path]:
    """Pool sections of single cells; write ``NAME_spots.h5ad`` and ``NAME_cells.h5ad`` for each, all files or none.

    Spots have ``obs["cells"]``, the number of their cells. Cells keep the columns of ``obs`` that their file has, and get
    ``obs["pseudo_spot"]``, the spot in whose area they lie (empty: between the spots), and their places in
    ``obsm["spatial_true"]``. Both say in ``uns["pseudo_spots"]`` what they were made from, and how.

    Args:
        out: Folder; made if missing. None of the files may exist.
        sources: Files of cells with positions, possibly several sections each.
        grid: As in :func:`~pyg_gears.data.pseudo_spots`.
        core: As there.
        min_cells: As there.
        shift: As there.
        halves: Pool one random half of the cells and write the other one to be placed. Otherwise the cells to be placed are those
            that were pooled.
        seed: Chooses the halves.
        reading: How the files are understood.

    Returns:
        The files written.

    Raises:
        InputError: for files that cannot be used, fewer than 30 spots, or when a file exists or cannot be written.
    """
    folder = Path(out)
    tables: dict[Path, AnnData] = {}
    with checked_files(sources, options=reading) as files:
        check_outputs(folder, [f"{name}_{what}.h5ad" for name in files.names for what in ("spots", "cells")])
        for file in files.slides:
            columns = file.source.to_anndata().obs
            for section in file.read():
                pooled, placed = disjoint_halves(section, seed=seed) if halves else (section, section)
                spots = pseudo_spots(pooled, grid, core=core, min_cells=min_cells, shift=shift)
                expect(
                    len(spots.slide) >= MIN_SPOTS,
                    f"{section.name}: expected at least {MIN_SPOTS} pseudo-spots, found {len(spots.slide)} with {min_cells} "
                    "cells or more; change the grid.",
                )
                size = np.asarray(spots.membership.sum(axis=1)).astype(np.int64)
                assert placed.pos is not None
                number = spots.spot_of(placed.pos)
                label = np.array([spots.slide.cells[i] if i >= 0 else "" for i in number], dtype=object)
                origin = {
                    "section": section.name,
                    "grid": np.broadcast_to(grid, 2),
                    "core": core,
                    "min_cells": min_cells,
                    "shift": shift,
                    "cells": "the other half" if halves else "those pooled",
                    "version": __version__,
                } | ({"seed": seed} if halves else {})
                for name, table in (
                    (f"{section.name}_spots", slide_anndata(spots.slide, obs={"cells": size})),
                    (f"{section.name}_cells", _cells(placed, columns, label)),
                ):
                    table.uns["pseudo_spots"] = dict(origin)
                    tables[folder / f"{name}.h5ad"] = table
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    check_outputs(folder, [path.name for path in tables])  # another run may have written them until now
    with ExitStack() as stack:
        for path, table in tables.items():
            store_anndata(stack.enter_context(whole_file(path)), table)
    return list(tables)


def _cells(placed: Slide, columns: pd.DataFrame, spot: np.ndarray) -> AnnData:
    """Cells without a place but in ``spatial_true``, with the columns of their file where names tell the rows."""
    obs: dict[str, Any] = {}
    if columns.index.is_unique and set(placed.cells) <= set(columns.index):
        own: Mapping[Any, Any] = columns.loc[list(placed.cells)]
        obs = {str(name): np.asarray(own[name]) for name in own}
    truth = {"spatial_true": np.array(placed.pos)}
    return slide_anndata(replace(placed, pos=None), obs=obs | {"pseudo_spot": spot}, obsm=truth)
