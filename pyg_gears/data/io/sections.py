"""The sections that a column of one table tells apart."""

from __future__ import annotations

import re
import warnings
from typing import NamedTuple

from pyg_gears.data.io.obs_words import obs_words, read_column, rows_by_word
from pyg_gears.data.io.source import Source
from pyg_gears.data.slide import MIN_SPOTS
from pyg_gears.errors import argument, expect, nearest_name
from pyg_gears.typing import IntArray

ONE_SECTION = "none"
"""The section key that says that a table is one section."""


class Section(NamedTuple):
    """One section of a table: an addition to the slide's name (empty for the only one), and its rows."""

    suffix: str
    rows: IntArray


def split_sections(source: Source, key: str, rows: IntArray) -> list[Section]:
    """The sections that a column of ``obs`` names, in the order of their first spots; rows without a value are left out.

    Args:
        source: The table.
        key: The column, or "none" for a table that is one section.
        rows: Rows to part.

    Raises:
        InputError: when there is no such column, or no section has enough spots.
    """
    columns = sorted(source.keys("obs"))
    if key == ONE_SECTION and key not in columns:
        return [Section("", rows)]
    expect(
        key in columns,
        f"{source.name}: expected a column {key!r} of obs that names sections, found {', '.join(columns) or 'no columns'}"
        f"{nearest_name(key, columns)}; name one of them with {argument('section_key')}, or none.",
    )
    words = obs_words(read_column(source, "obs", key))
    found = rows_by_word(words[rows])
    gone = {value: rows[:0] for value in rows_by_word(words) if value not in found}  # of whose spots none is read
    parts = [(value, rows[part]) for value, part in found.items()] + list(gone.items())
    unnamed = len(rows) - sum(len(part) for part in found.values())
    small = [f"{value} ({len(part)})" for value, part in parts if len(part) < MIN_SPOTS]
    expect(
        len(small) < len(parts),
        f"{source.name}: expected sections of at least {MIN_SPOTS} spots in obs[{key!r}], found "
        f"{', '.join(small[:3]) or 'no value'}; name a column of larger sections with {argument('section_key')}.",
    )
    if small:
        warnings.warn(
            f"{source.name}: {len(small)} sections of obs[{key!r}] have fewer than {MIN_SPOTS} spots and are left out: "
            f"{', '.join(small[:5])}.",
            stacklevel=2,
        )
    if unnamed:
        warnings.warn(
            f"{source.name}: obs[{key!r}] has no value for {unnamed} of {len(rows)} spots, which are left out.",
            stacklevel=2,
        )
    parts = [(value, part) for value, part in parts if len(part) >= MIN_SPOTS]
    if len(found) + len(gone) == 1:
        return [Section("", parts[0][1])]
    suffixes: list[str] = []
    for value, _ in parts:
        suffix = re.sub(r"[^\w.+-]+", "_", value)[:60] or "_"
        while suffix in suffixes:
            suffix += "_"
        suffixes.append(suffix)
    return [Section(suffix, part) for suffix, (_, part) in zip(suffixes, parts, strict=True)]
