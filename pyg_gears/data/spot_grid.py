"""Pseudo-spots: a section of single cells pooled on a grid, as an array of spots would have seen it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from pyg_gears.data.slide import Slide, check_places
from pyg_gears.errors import expect
from pyg_gears.seeds import random_stream

GRID, CORE, MIN_CELLS = 30, 0.7, 2


@dataclass(frozen=True, eq=False)
class PseudoSpotsOutput:
    """Spots and the cells that they were made of.

    Attributes:
        slide: The spots: counts are the sums of their cells, positions the centres of their bins. Named ``NAME_spots``.
        membership: 1 where a spot (row) holds a cell (column), shape (spots, n), float32; a cell is in one spot at most.
        inside: Cells that are in a spot, shape (n,). The others lie between the spots, or alone in one.
    """

    slide: Slide
    membership: csr_array
    inside: Bool[np.ndarray, " n"]
    _grid: _Grid
    _bins: Int[np.ndarray, " s"]

    def spot_of(self, pos: Float[np.ndarray, "m 2"]) -> Int[np.ndarray, " m"]:
        """The spot in whose area each place lies, shape (m,); -1 between the spots, and where none was kept."""
        bins = self._grid.bin_of(np.asarray(pos, dtype=np.float64))
        place = np.minimum(np.searchsorted(self._bins, bins), len(self._bins) - 1)
        return np.where((bins >= 0) & (self._bins[place] == bins), place, -1)


def pseudo_spots(
    section: Slide,
    grid: int | tuple[int, int] = GRID,
    *,
    core: float = CORE,
    min_cells: int = MIN_CELLS,
    shift: float = 0.0,
) -> PseudoSpotsOutput:
    r"""Pool the cells of a section into the spots of a grid.

    The bounding box of the cells is cut into ``grid`` bins along each axis. A spot is the sum of the cells in the central
    ``core`` x ``core`` of its bin,

    .. math:: Y_s = \sum_{i: \|u_i - m_s\|_\infty \le core / 2} X_i,

    with u in units of a bin and m the middle of the bin: with 0.7 half of the area is covered, and the cells of the other half
    are in no spot.

    Args:
        section: Cells with positions.
        grid: Bins along both axes, or (columns, rows).
        core: Side of the pooled square, as a share of the bin's, in (0, 1].
        min_cells: Cells that a spot needs to be kept, at least 1.
        shift: Share of a bin, in [0, 1), by which the grid is moved up along both axes. The first column and row of bins then
            reach beyond the box, and there is one more of each.

    Returns:
        The spots; the total of the counts of all cells inside is that of all spots.

    Raises:
        InputError: without positions in a plane, for a number out of range, or where no spot has ``min_cells``.

    Source: the pooling of the published benchmark (arXiv 2605.28200): 30 x 30 bins for 10,150 cells, 40 x 40 with a shift of 0.3.
    """
    expect(
        section.pos is not None,
        f"{section.name}: expected cells with positions, found none; pool a section whose cells have places.",
    )
    assert section.pos is not None
    check_places(section.name, section.pos)
    columns, rows = (grid, grid) if isinstance(grid, int) else grid
    expect(min(columns, rows) >= 1, f"expected a grid of at least one bin, found {columns} x {rows}; raise it.")
    expect(0 < core <= 1, f"expected a core in (0, 1], found {core}; it is a share of the bin's side.")
    expect(min_cells >= 1, f"expected spots of at least one cell, found {min_cells}; raise min_cells.")
    expect(0 <= shift < 1, f"expected a shift in [0, 1), found {shift}; it is a share of a bin.")
    raster = _Grid.over(section.pos, columns, rows, core, shift)
    bins = raster.bin_of(section.pos)
    used, number, size = np.unique(bins, return_inverse=True, return_counts=True)
    enough = (size >= min_cells) & (used >= 0)
    expect(
        bool(enough.any()),
        f"{section.name}: expected a bin of at least {min_cells} cells in a grid of {columns} x {rows}, found none; use a "
        "coarser grid.",
    )
    spot = np.where(enough, np.cumsum(enough) - 1, -1)[number.reshape(-1)]
    inside, kept = spot >= 0, used[enough]
    members = np.flatnonzero(inside)
    membership = csr_array(
        (np.ones(len(members), np.float32), (spot[members], members)), shape=(len(kept), len(section))
    )
    names = tuple(f"spot_{bin // raster.rows}x{bin % raster.rows}" for bin in kept.tolist())
    counts = csr_array(membership.astype(np.float64) @ section.counts)
    spots = Slide(f"{section.name}_spots", counts, section.genes, names, raster.middle(kept))
    return PseudoSpotsOutput(spots, membership, inside, raster, kept)


def disjoint_halves(section: Slide, *, seed: int = 0) -> tuple[Slide, Slide]:
    """Two random halves of a section: one to be pooled, one to be placed, so that no placed cell is part of a spot.

    Args:
        section: Cells.
        seed: Same seed, same halves.

    Returns:
        The half to pool (the smaller one of an odd number), and the half to place, both in the order of the section.
    """
    order = random_stream(seed, "halves").permutation(len(section))
    pooled, placed = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    return section.select(pooled), replace(section.select(placed), name=f"{section.name}_placed")


@dataclass(frozen=True, eq=False)
class _Grid:
    origin: Float[np.ndarray, " 2"]
    step: Float[np.ndarray, " 2"]
    columns: int
    rows: int
    core: float

    @classmethod
    def over(cls, pos: Float[np.ndarray, "n 2"], columns: int, rows: int, core: float, shift: float) -> _Grid:
        low, step = pos.min(axis=0), np.ptp(pos, axis=0) / (columns, rows)
        more = int(shift > 0)
        return cls(low - more * (1 - shift) * step, step, columns + more, rows + more, core)

    def bin_of(self, pos: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
        """Number of the bin in whose core each place lies, column by column; -1 for none."""
        unit = (pos - self.origin) / self.step
        # Clipped: the last cell of the box is on the edge of the last bin.
        index = np.clip(np.floor(unit), 0, (self.columns - 1, self.rows - 1)).astype(np.int64)
        covered = (np.abs(unit - index - 0.5) <= self.core / 2).all(axis=1)
        return np.where(covered, index[:, 0] * self.rows + index[:, 1], -1)

    def middle(self, bins: Int[np.ndarray, " s"]) -> Float[np.ndarray, "s 2"]:
        """Centres of bins."""
        return self.origin + self.step * (np.column_stack([bins // self.rows, bins % self.rows]) + 0.5)
