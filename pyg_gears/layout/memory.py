"""How much memory a layout takes, and how much of it is worked on at a time."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

from pyg_gears.errors import InputError, argument, expect
from pyg_gears.layout.settings import LayoutSettings

BLOCK = 2**18
"""Votes worked on at a time where memory is not limited; more gain no time."""
UNITS = {"": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
COVER = 1.4
"""Patches of a cell, in units of ``min_cover``."""
DISTINCT, DECADE = 0.58, 0.18
"""Pairs that are left of the proposed ones when each is counted once, of 10,000 cells, and how many more of ten times as many."""
VOTES = 2.4
"""Votes on a pair."""
PAIR, VOTE = 72, 8
"""Bytes of a pair and of a vote when most of them are held, in stitching."""
REFINED, KEPT = 5600, 13
"""Bytes of a cell in the refinement of neighbours (90 of them), and of a pair while it lasts: the 16 of those that are kept."""
WORKING = 150
"""Bytes of a vote that is worked on."""
FIXED = 4e8
"""Bytes of whatever does not grow with the cells: a batch of patches, kernels of the regressions, chunks of distances."""
LEAST_BLOCK = 2**13


def memory_bytes(amount: str | float) -> int:
    """Bytes from a number of them or from text such as "8GB", "1.5 TB" or "512MiB".

    Raises:
        InputError: for anything else, or nothing.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\d*\.\d+)\s*([KMGT]I?B?)?B?\s*", str(amount).upper())
    found = 0
    if match:
        unit = match[2] or ""
        found = int(float(match[1]) * UNITS[unit if not unit or unit.endswith("B") else unit + "B"])
    if found <= 0:
        raise InputError(f"expected an amount of memory, found {amount!r}; give it as in 8GB or 500MB.")
    return found


def held_memory() -> int:
    """Bytes that this process holds now; where the system does not tell, the most that it has held."""
    try:
        import resource

        pages = Path("/proc/self/statm")
        if pages.is_file():
            return int(pages.read_text().split()[1]) * resource.getpagesize()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    except ImportError:  # not on this system
        return 0
    return peak if sys.platform == "darwin" else peak * 1024


def layout_memory(n: int, settings: LayoutSettings, voters: int) -> int:
    r"""Bytes that a layout takes beside what is held before it, without the votes that are worked on.

    With c = 1.4 ``min_cover`` patches per cell, a share d = 0.58 + 0.18 log10(n / 10,000), at most 1, of distinct pairs among
    the proposed ones, and p = d c (3/4 ``neighbors`` + 1/2 ``landmarks``) pairs per cell, the most of

    .. math:: n \max(p\, (72 + 2.4 \cdot 8), 5600 + 13 p) + 8 v c\, n

    for stitching or refinement of neighbours, beside the predictions of v voters.
    A pair takes two cells, its votes, and four numbers; a solve takes less: 96 bytes of a pair that is kept, as seven tenths are.
    Counted array by array, checked against what 100,000 simulated cells took with the defaults (59 bytes a pair, 4,700 a cell in
    the refinement), and raised by a fifth; with other settings it is a guess of the right order.

    Args:
        n: Cells.
        settings: Settings of the layout.
        voters: Models times samples, and regressions.
    """
    cover = COVER * settings.min_cover
    distinct = min(DISTINCT + DECADE * max(math.log10(max(n, 1) / 1e4), -1), 1)
    pairs = distinct * cover * (0.75 * settings.neighbors + 0.5 * settings.landmarks)
    vote = VOTE * (2 if settings.certainty else 1)
    layout = n * (max(pairs * (PAIR + VOTES * vote), REFINED + pairs * KEPT) + 8 * voters * cover)
    return int(FIXED + layout)


def votes_at_a_time(limit: str | float, n: int, settings: LayoutSettings, voters: int, held: int | None = None) -> int:
    """How many votes may be worked on at a time, so that the process stays below a limit.

    Args:
        limit: The most that the process may hold, see :func:`memory_bytes`.
        n: Cells.
        settings: Settings of the layout.
        voters: Models times samples, and regressions.
        held: Bytes that it holds before the layout; what it holds now if omitted.

    Raises:
        InputError: where what cannot be cut is above the limit.
    """
    most, held = memory_bytes(limit), held_memory() if held is None else held
    needed = held + layout_memory(n, settings, voters)
    left = int((most - needed) / WORKING)
    least = math.ceil((needed + LEAST_BLOCK * WORKING) / 1e7) / 100  # rounded down it would be refused itself
    expect(
        left >= LEAST_BLOCK,
        f"expected at least {least:.2f} GB for {n:,} cells by estimate ({held / 1e9:.2f} GB of it are held by now), found a "
        f"limit of {most / 1e9:.2f} GB; raise {argument('max_memory')}, lower min_cover, or lay out fewer cells.",
    )
    return min(left, BLOCK)
