"""Names of the genes of a table: its index, or a column of ``var``."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from pyg_gears.data.io.obs_words import obs_words, read_column
from pyg_gears.data.io.source import Source
from pyg_gears.errors import InputError, argument, assigned, expect, nearest_name

_NUMBER = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?", re.IGNORECASE)


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
        f"{nearest_name(column, columns)}; name one of them with {argument('gene_column')}.",
    )
    words = obs_words(names[column] if key == "raw/X" else read_column(source, "var", column))
    times = Counter(words)
    usable = [word is not None and times[word] == 1 for word in words]
    odd = len(index) - sum(usable)
    expect(
        odd <= len(index) / 2,
        f"{source.name}: expected one name for each gene in var[{column!r}], found {odd} of {len(index)} missing or "
        f"repeated; name another column with {argument('gene_column')}.",
    )
    if odd:
        warnings.warn(
            f"{source.name}: {odd} of {len(index)} names in var[{column!r}] are missing or repeat; these genes keep the "
            "name of var's index.",
            stacklevel=2,
        )
    return tuple(word if good else name for word, good, name in zip(words, usable, index, strict=True))


def check_gene_index(source: Source, genes: Sequence[str], key: str) -> None:
    """Point to a column of ``var`` where the index names genes badly: refuse names that repeat, warn of running numbers.

    Running numbers are what ``reset_index`` and some converters leave; genes of two files would be matched by their place.

    Args:
        source: The table.
        genes: Names of its genes, from the index.
        key: Element that is read, such as "X".

    Raises:
        InputError: for names that repeat, where a column holds unique ones.
    """
    repeated = [gene for gene, times in Counter(genes).items() if times > 1]
    if not repeated and not _running(genes):
        return
    columns = _naming_columns(source, key, unique=bool(repeated))
    if not columns:
        return
    shown = assigned("gene_column", columns[0]) + f" (or {', '.join(columns[1:3])})" * (len(columns) > 1)
    if repeated:
        raise InputError(
            f"{source.name}: expected unique gene names, found {len(repeated)} that repeat, for instance {repeated[0]}; take "
            f"those of a column of var with {shown}, or make them unique with adata.var_names_make_unique()."
        )
    warnings.warn(
        f"{source.name}: genes are named by running numbers ({', '.join(genes[:3])}, ...), so files are matched by the order "
        f"of their genes; take the names of a column of var with {shown}.",
        stacklevel=2,
    )


def _running(genes: Sequence[str]) -> bool:
    """Whether names are whole numbers that climb."""
    if not all(gene.isdecimal() for gene in genes):
        return False
    numbers = [int(gene) for gene in genes]
    return all(one < other for one, other in pairwise(numbers))


def _naming_columns(source: Source, key: str, *, unique: bool) -> list[str]:
    """Columns of text in ``var`` that name at least half of the genes uniquely, or all of them."""
    raw = source.read("raw/var") if key == "raw/X" else None
    columns = sorted(source.keys("var") if raw is None else map(str, raw.columns))
    least = len(source.row_names("var" if raw is None else "raw/var")) * (1.0 if unique else 0.5)
    found = []
    for column in columns:
        if column == "__categories":  # of files before anndata 0.8
            continue
        words = [word for word in obs_words(read_column(source, "var", column) if raw is None else raw[column]) if word]
        times = Counter(words)
        usable = sum(times[word] == 1 for word in words)
        if usable >= least and not all(_NUMBER.fullmatch(word) for word in words):
            found.append(column)
    return found
