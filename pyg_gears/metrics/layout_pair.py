"""A predicted and a true layout of the same cells, checked and in the gauge: the input of every metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix

LayoutLike: TypeAlias = Tensor | NDArray[Any] | Sequence[Any]
"""Coordinates of shape (n, 2), as a tensor, an array of any number type, or a list of pairs."""

MIN_CELLS = 6


class LayoutPair(NamedTuple):
    """Two layouts of the same n cells in float64, each of mean 0 and RMS radius 1 (a collapsed ``pos`` stays at 0)."""

    pos: Float[np.ndarray, "n 2"]
    truth: Float[np.ndarray, "n 2"]


def layout_pair(pos: LayoutLike, truth: LayoutLike) -> LayoutPair:
    """Check both layouts and bring them into the gauge.

    Args:
        pos: Predicted coordinates, shape (n, 2), any unit.
        truth: True coordinates of the same cells in the same order, shape (n, 2), any unit.

    Returns:
        Both in float64, gauge-fixed.

    Raises:
        InputError: for another shape, values that are not finite, different cells, fewer than 6 cells, or a truth
            whose points all coincide.
    """
    predicted, true = as_layout(pos, "predicted"), as_layout(truth, "true")
    expect(
        len(predicted) == len(true),
        f"expected both layouts to hold the same cells, found {len(predicted)} predicted and {len(true)} true "
        "positions; select the cells they share.",
    )
    expect(
        float(np.ptp(true, axis=0).max()) > 0,
        "expected true positions that differ, found all of them at one point; check the coordinates.",
    )
    return LayoutPair(in_gauge(predicted), in_gauge(true))


def as_layout(pos: LayoutLike, name: str) -> Float[np.ndarray, "n 2"]:
    """One layout as float64, shape (n, 2), finite, of at least 6 cells; ``name`` is used in the error message."""
    values = as_table(pos, name)
    expect(
        values.ndim == 2 and values.shape[1] == 2,
        f"expected {name} positions of shape (n, 2), found {values.shape}; pass two coordinates per cell.",
    )
    expect(
        len(values) >= MIN_CELLS,
        f"expected {name} positions of at least {MIN_CELLS} cells, found {len(values)}; metrics need neighbourhoods.",
    )
    values = values.astype(np.float64)
    bad = int((~np.isfinite(values).all(axis=1)).sum())
    expect(bad == 0, f"expected finite {name} positions, found {bad} cells with NaN or infinity; drop those cells.")
    return values


def as_table(pos: LayoutLike, name: str) -> NDArray[Any]:
    """One layout as an array of numbers, whatever its shape; ``name`` is used in the error message."""
    try:
        if isinstance(pos, Tensor):
            # NumPy has no bfloat16.
            pos = (pos.float() if pos.dtype == torch.bfloat16 else pos).detach().cpu()
        values = np.asarray(pos)
    except ValueError:  # rows of different length
        values = np.empty(0, dtype=object)
    expect(
        values.dtype.kind in "fiub" and values.ndim > 0,
        f"expected {name} positions as a table of numbers, found something else; pass two coordinates per cell.",
    )
    return values


def placed_cells(pos: LayoutLike) -> Bool[np.ndarray, " n"]:
    """Cells that have a place, shape (n,): ``reconstruct`` gives cells without counts NaN for both coordinates."""
    values = as_table(pos, "predicted")
    return (
        ~np.isnan(values).all(axis=-1) if values.ndim == 2 and values.dtype.kind == "f" else np.ones(len(values), bool)
    )


def in_gauge(pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """``geometry.gauge_fix`` for an array."""
    # Scaled first: the gauge's floor of the RMS is for collapsed predictions, not for small units.
    extent = float(np.ptp(pos, axis=0).max())
    unit = (pos - pos.mean(axis=0)) / extent if extent > 0 else np.zeros_like(pos)
    return gauge_fix(torch.from_numpy(unit)).numpy()


def neighborhood_size(n: int, k: int) -> int:
    """k, but less than half of the n cells: beyond that too few cells are outside a neighbourhood."""
    return max(1, min(k, (n - 1) // 2))
