"""Names of the genes of a table: its index, or a column of ``var``."""

from __future__ import annotations

import warnings
from collections import Counter

from pyg_gears.data.io.obs_words import obs_words, read_column
from pyg_gears.data.io.source import Source
from pyg_gears.errors import expect, nearest_name


def gene_names(source: Source, column: str | None, key: str) -> tuple[str, ...]:
    """Names of the genes of an element.

    A gene whose name in the column is missing or occurs twice keeps the name of the index.

    Args:
        source: The table.
        column: Column of ``var``; the index for None.
        key: Element that is read, such as "X"; ``.raw`` has a table of genes of its own.

    Raises:
        InputError: when there is no such column, or most of its names cannot be used.
    """
    table = "raw/var" if key == "raw/X" else "var"
    index = source.row_names(table)
    if column is None:
        return index
    if key == "raw/X":
        names = source.read("raw/var")
        columns = sorted(map(str, names.columns))
    else:
        columns = sorted(source.keys("var"))
    expect(
        column in columns,
        f"{source.name}: expected a column {column!r} of var with names of genes, found {', '.join(columns) or 'none'}"
        f"{nearest_name(column, columns)}; name one of them with --gene-column.",
    )
    words = obs_words(names[column] if key == "raw/X" else read_column(source, "var", column))
    times = Counter(words)
    usable = [word is not None and times[word] == 1 for word in words]
    odd = len(index) - sum(usable)
    expect(
        odd <= len(index) / 2,
        f"{source.name}: expected one name for each gene in var[{column!r}], found {odd} of {len(index)} missing or "
        "repeated; name another column with --gene-column.",
    )
    if odd:
        warnings.warn(
            f"{source.name}: {odd} of {len(index)} names in var[{column!r}] are missing or repeat; these genes keep the "
            "name of var's index.",
            stacklevel=2,
        )
    return tuple(word if good else name for word, good, name in zip(words, usable, index, strict=True))
