"""The protocols: which spots a method may learn from, which cells it has to place, and which of these lie in a spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pyg_gears.data import PseudoSpotsOutput, Slide, check_slide, disjoint_halves, pseudo_spots
from pyg_gears.data.slide import MIN_SPOTS
from pyg_gears.errors import expect, nearest_name

ALL, INSIDE, BETWEEN = "all", "inside", "between"


class Pooling(NamedTuple):
    """How sections of single cells become spots; the fields of :func:`~pyg_gears.data.pseudo_spots`."""

    grid: int | tuple[int, int]
    core: float
    min_cells: int
    shift: float


@dataclass(frozen=True, eq=False)
class Case:
    """What a method is given, and what its layout is compared with.

    Attributes:
        protocol: Name of the protocol.
        references: Slides of spots with places.
        query: Cells to place, without places.
        truth: Their places, shape (n, 2).
        parts: Cells that are scored together, by name: "all", and where the spots were made of the query's own section those
            "inside" and "between" the spots.
    """

    protocol: str
    references: tuple[Slide, ...]
    query: Slide
    truth: Float[np.ndarray, "n 2"]
    parts: Mapping[str, Bool[np.ndarray, " n"]]


class Protocol(NamedTuple):
    """A way to choose spots and cells.

    Attributes:
        sections: Sections that it needs; further ones are for other protocols.
        note: What its numbers mean.
        make: The case, from sections, pooling (None: the sections are spots already) and seed.
    """

    sections: int
    note: str
    make: Callable[[Sequence[Slide], Pooling | None, int], Case]


def make_case(name: str, sections: Sequence[Slide], pooling: Pooling | None, seed: int) -> Case:
    """Set a protocol up.

    Args:
        name: One of ``PROTOCOLS``.
        sections: As many sections as it needs, or more.
        pooling: How cells become spots, or None where the sections to learn from are spots already.
        seed: Chooses the halves of "disjoint-halves"; of no effect on the others.

    Raises:
        InputError: for an unknown protocol, too few sections, or cells that cannot be pooled into 30 spots.
    """
    expect(
        name in PROTOCOLS,
        f"expected a protocol among {', '.join(PROTOCOLS)}, found {name!r}{nearest_name(name, PROTOCOLS)}; name one.",
    )
    needed = PROTOCOLS[name].sections
    expect(
        len(sections) >= needed,
        f"expected at least {needed} sections for {name}, found {len(sections)}; name sections of the same genes.",
    )
    case = PROTOCOLS[name].make(sections, pooling, seed)
    for slide in case.references:
        check_slide(slide)
    return replace(case, protocol=name)


def _same_cells(sections: Sequence[Slide], pooling: Pooling | None, seed: int) -> Case:
    spots = _pooled(sections[0], pooling)
    return _case((spots.slide,), sections[0], spots)


def _disjoint_halves(sections: Sequence[Slide], pooling: Pooling | None, seed: int) -> Case:
    pooled, placed = disjoint_halves(sections[0], seed=seed)
    spots = _pooled(pooled, pooling)
    return _case((spots.slide,), placed, spots)


def _other_section(sections: Sequence[Slide], pooling: Pooling | None, seed: int) -> Case:
    return _case(_references(sections[:1], pooling), sections[1])


def _two_to_third(sections: Sequence[Slide], pooling: Pooling | None, seed: int) -> Case:
    return _case(_references(sections[:2], pooling), sections[2])


def _pooled(section: Slide, pooling: Pooling | None) -> PseudoSpotsOutput:
    expect(
        pooling is not None,
        f"{section.name}: expected spots to be made of the cells that are placed, found --no-pool; leave it out, or choose "
        "another-section or two-to-third.",
    )
    assert pooling is not None
    spots = pseudo_spots(section, pooling.grid, core=pooling.core, min_cells=pooling.min_cells, shift=pooling.shift)
    expect(
        len(spots.slide) >= MIN_SPOTS,
        f"{section.name}: expected at least {MIN_SPOTS} pseudo-spots, found {len(spots.slide)} with {pooling.min_cells} cells "
        "or more; change --grid.",
    )
    return spots


def _references(sections: Sequence[Slide], pooling: Pooling | None) -> tuple[Slide, ...]:
    return tuple(sections) if pooling is None else tuple(_pooled(one, pooling).slide for one in sections)


def _case(references: tuple[Slide, ...], placed: Slide, spots: PseudoSpotsOutput | None = None) -> Case:
    assert placed.pos is not None
    parts = {ALL: np.ones(len(placed), dtype=bool)}
    if spots is not None:
        inside = spots.spot_of(placed.pos) >= 0
        parts |= {INSIDE: inside, BETWEEN: ~inside}
    query = replace(placed, name=f"{placed.name}_cells", pos=None)
    return Case("", references, query, np.array(placed.pos), parts)


PROTOCOLS: dict[str, Protocol] = {
    "same-cells": Protocol(
        1,
        "The published protocol. It leaks: a spot is the sum of cells that are to be placed, so a map fitted to the sums finds "
        "each cell in its own spot. Cells between the spots are in no sum.",
        _same_cells,
    ),
    "disjoint-halves": Protocol(
        1,
        "One random half of the cells was pooled, the other half is placed: no placed cell is part of a spot. Inside and between "
        "then only say where a cell lies.",
        _disjoint_halves,
    ),
    "another-section": Protocol(
        1 + 1, "Learned from the first section, the cells of the second are placed.", _other_section
    ),
    "two-to-third": Protocol(2 + 1, "Learned from the first two sections, the third is placed.", _two_to_third),
}
"""Every protocol by name."""
