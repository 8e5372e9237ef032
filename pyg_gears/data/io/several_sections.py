"""Whether a table that is read as one section is several, by its columns and by where its spots lie."""

from __future__ import annotations

import re
import warnings
from collections import Counter

import numpy as np
from jaxtyping import Float

from pyg_gears.data.io.obs_words import obs_words, plain_name, read_column, rows_by_word
from pyg_gears.data.io.sections import ONE_SECTION
from pyg_gears.data.io.source import Source
from pyg_gears.data.slide import MIN_SPOTS
from pyg_gears.errors import InputError, argument, assigned, expect
from pyg_gears.typing import FloatArray, IntArray

SECTIONS = frozenset(
    f"{thing}{suffix}"
    for thing in (
        *("library", "sample", "section", "slice", "slide", "batch", "puck", "donor", "patient", "animal", "mouse"),
        *("specimen", "subject", "individual", "brainsection", "tissuesection", "capturearea", "replicate", "dataset"),
    )
    for suffix in ("", "id", "key", "name", "label", "number", "s")
) | {"origident", "bregma"}
"""Names of columns whose values are sections; case and punctuation do not matter."""
FIELDS = frozenset(("fov", "fovid", "fovs", "roi", "roiid", "tile", "core"))
"""Names of columns whose values may be parts of one section, next to one another, or sections, over one another."""
OVERLAP = 0.5
_ENDING = re.compile(r"(.+)[-_.:]([^-_.:]+)")
SEVERAL_AT_ONE_PLACE, MANY_AT_ONE_PLACE = 0.05, 0.2


def refuse_several_sections(source: Source, rows: IntArray, pos: Float[np.ndarray, "m 2"]) -> None:
    """Refuse a table whose columns or positions show several sections over one another; warn where they may.

    Args:
        source: The table.
        rows: Rows that are read.
        pos: Their positions.

    Raises:
        InputError: for sections whose extents overlap by half, or a fifth of the spots at the place of another.
    """
    aside, region = "", _region_key(source)
    for column in sorted(source.keys("obs")):
        plain = plain_name(column)
        if plain not in SECTIONS | FIELDS and column != region:
            continue
        found = rows_by_word(obs_words(read_column(source, "obs", column))[rows])
        large = [word for word, part in found.items() if len(part) >= MIN_SPOTS]
        if len(large) >= 2 and _overlap([pos[found[word]] for word in large]):
            shown = ", ".join(large[:3]) + ", ..." * (len(large) > 3)
            raise InputError(
                f"{source.name}: expected one section, found {len(large)} sections in obs[{column!r}] ({shown}) over one "
                f"another; make each a slide with {assigned('section_key', column)} (in Python by read_slides or "
                f"slides_from_anndata), or say {assigned('section_key', ONE_SECTION)} if they are one tissue."
            )
        # A value for each spot or two is no section.
        if plain in SECTIONS and 2 <= len(found) <= max(len(rows) / 5, len(large)):
            aside = aside or column
    repeated = _same_spots(source, rows, pos)
    expect(
        not repeated,
        f"{source.name}: expected one section, found the same spots {repeated} over one another by their names, as where "
        f"several sections were joined; name the column that tells them apart with {argument('section_key')}, or say "
        f"{assigned('section_key', ONE_SECTION)}.",
    )
    crowded = 1 - len(np.unique(pos, axis=0)) / max(len(pos), 1)
    share = f"{crowded:.0%} of the spots at the very place of another"
    expect(
        crowded < MANY_AT_ONE_PLACE,
        f"{source.name}: expected one section, found {share}, as where several sections lie over one another; "
        f"name the column that tells them apart with {argument('section_key')}, or say "
        f"{assigned('section_key', ONE_SECTION)}.",
    )
    if aside:
        warnings.warn(
            f"{source.name}: obs[{aside!r}] has several values, and all spots are read as one section; "
            f"if these are sections, make each a slide with {assigned('section_key', aside)} (else: "
            f"{assigned('section_key', ONE_SECTION)}).",
            stacklevel=2,
        )
        return
    libraries = source.keys("uns/spatial")
    if crowded > SEVERAL_AT_ONE_PLACE:
        warnings.warn(
            f"{source.name}: {share}; if these are several sections, tell them apart with {argument('section_key')}.",
            stacklevel=2,
        )
    elif len(libraries) > 1 and not any(plain_name(column) in SECTIONS for column in source.keys("obs")):
        warnings.warn(
            f"{source.name}: uns['spatial'] holds {len(libraries)} libraries and no column tells their spots apart; "
            f"if these are several sections, name a column with {argument('section_key')}.",
            stacklevel=2,
        )


def _same_spots(source: Source, rows: IntArray, pos: FloatArray) -> str:
    """How often spots of one name but for its end lie over one another, such as AAC-1-A and AAC-1-B; "" if they do not."""
    names = source.row_names("obs")
    parts: dict[str, dict[str, int]] = {}
    times: Counter[str] = Counter()
    for row, name in enumerate(names[row] for row in rows):
        times[name] += 1
        match = _ENDING.fullmatch(name)
        stem, end = match.groups() if match else (name, "")
        # A name that repeats in full stands for a section each time.
        parts.setdefault(f"{end}/{times[name]}", {})[stem] = row
    large = [part for part in parts.values() if len(part) >= MIN_SPOTS]
    for i, one in enumerate(large):
        for other in large[:i]:
            shared = [stem for stem in one if stem in other]
            if len(shared) >= MIN_SPOTS and _overlap([pos[[part[stem] for stem in shared]] for part in (one, other)]):
                return f"{len(large)} times"
    return ""


def _region_key(source: Source) -> str | None:
    """The column in which a table of SpatialData names the image or shapes of each row."""
    key = source.read("uns/spatialdata_attrs/region_key") if source.has("uns/spatialdata_attrs/region_key") else None
    return None if key is None else str(key)


def _overlap(parts: list[FloatArray]) -> bool:
    """Whether the boxes around the bulk of any two parts share half of the smaller one."""
    low, high = np.array([np.nanpercentile(part, (2, 98), axis=0) for part in parts]).swapaxes(0, 1)
    # The box of spots on a line has an area too.
    edge = 1e-9 * np.abs(np.concatenate([low, high])).max() + np.finfo(float).tiny
    low, high = low - edge, high + edge
    for i in range(1, len(parts)):
        shared = np.clip(np.minimum(high[i], high[:i]) - np.maximum(low[i], low[:i]), 0, None)
        if ((shared / np.minimum(high[i] - low[i], (high - low)[:i])).prod(axis=1) >= OVERLAP).any():
            return True
    return False
