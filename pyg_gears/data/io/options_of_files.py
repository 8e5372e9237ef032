"""One choice for several files, of which some may lack what it names."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.io.sections import ONE_SECTION
from pyg_gears.data.io.source import Source


def options_of_files(options: ReadOptions, slides: Sequence[Source], cells: Source | None) -> list[ReadOptions]:
    """The options of each file: a file that lacks what another has is read without that option, and a warning says so.

    What no file has stays in the options of all: reading the first is then refused.

    Args:
        options: How the files are understood.
        slides: Tables with positions.
        cells: A table without, which is asked for neither sections nor positions.

    Returns:
        The options of the slides, then those of the cells.
    """
    files = [*slides, *([] if cells is None else [cells])]
    found = [options] * len(files)
    for field, has in _HAS.items():
        value = getattr(options, field)
        asked = files if field in ("layer", "gene_column") else slides
        if value is None or not any(has(file, value) for file in asked):
            continue
        for number, file in enumerate(asked):
            if not has(file, value):
                found[number] = replace(found[number], **{field: None})
                warnings.warn(
                    f"{file.name}: there is no {value!r} for --{field.replace('_', '-')}, which other files have; it is "
                    "read without this option.",
                    stacklevel=2,
                )
    return found


def _has_layer(file: Source, layer: str) -> bool:
    return layer == "X" or layer in file.keys("layers") or (layer == "raw" and file.has("raw/X"))


def _has_positions(file: Source, key: str) -> bool:
    columns = file.keys("obs")
    return key in file.keys("obsm") or all(part.strip() in columns for part in key.split(","))


def _has_genes(file: Source, column: str) -> bool:
    return column in file.keys("var")


def _has_sections(file: Source, column: str) -> bool:
    return column == ONE_SECTION or column in file.keys("obs")


_HAS: dict[str, Callable[[Source, str], bool]] = {
    "layer": _has_layer,
    "section_key": _has_sections,
    "spatial_key": _has_positions,
    "gene_column": _has_genes,
}
