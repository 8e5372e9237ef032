"""The true positions of cells, read as those of a slide are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyg_gears.data.io.anndata_source import AnnDataSource
from pyg_gears.data.io.positions import read_positions
from pyg_gears.errors import argument, expect

if TYPE_CHECKING:
    from anndata import AnnData

    from pyg_gears.typing import FloatArray

DEFAULT_TRUTH = "spatial"
LAYOUT = "X_gears"


def true_positions(adata: AnnData, key: str, name: str) -> FloatArray | None:
    """Positions as float64 (n, 2); None where the file has none under the usual name.

    Args:
        adata: The layout's file.
        key: Name in ``obsm``, or two columns of ``obs`` with a comma between them.
        name: Name of the file.

    Raises:
        InputError: when another name is not there or is that of the layout, or for what is not two numbers for each cell;
            entries may be NaN.
    """
    if key == DEFAULT_TRUTH and key not in adata.obsm:
        return None
    expect(
        key != LAYOUT,
        f"{name}: expected true positions, found {argument('truth_key', '--truth')} to name the layout, obsm[{LAYOUT!r}]; name "
        "positions that were measured, or leave it out.",
    )
    return read_positions(AnnDataSource(adata, name), key, "truth_key", "--truth")


def truth_place(adata: AnnData, key: str) -> str:
    """Where :func:`true_positions` finds a truth, in words."""
    return f"obs, columns {key}" if key not in adata.obsm and "," in key else f"obsm[{key!r}]"
