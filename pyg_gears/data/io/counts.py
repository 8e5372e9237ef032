"""Which table holds the counts: X, a layer or ``.raw``, and what is said when it is not X."""

from __future__ import annotations

import re
import warnings

import numpy as np
from scipy.sparse import csr_array

from pyg_gears.data.io.count_table import CountTable, count_table
from pyg_gears.data.io.source import Source
from pyg_gears.data.normalisation import normalisation
from pyg_gears.errors import InputError, argument, assigned, expect, nearest_name
from pyg_gears.typing import IntArray

COUNT_LAYERS = ("counts", "count", "rawcounts", "countsraw", "raw", "umi", "umis", "umicounts", "xcounts", "rawdata")
"""Names of layers that say that they hold counts; case and punctuation do not matter."""

LARGEST_LOGARITHM = 15.0
NOTHING = np.array([0])
"""One gene: to ask about a table without reading it."""
MEASURED = 0.9
"""Share of entries above zero beyond which fractions are measurements, such as those of an atlas, and not counts at all."""


def table_key(source: Source, layer: str | None) -> str:
    """The element that ``layer`` names: "X", "raw/X" or "layers/..."; X for none.

    Raises:
        InputError: when there is none of this name.
    """
    if layer is None or layer == "X":
        return "X"
    layers = sorted(source.keys("layers"))
    if layer not in layers and layer == "raw" and source.has("raw/X"):
        return "raw/X"
    others = [*layers, *["raw"] * source.has("raw/X")]
    remedy = f"name one of them with {argument('layer')}" if others else f"leave out {argument('layer')} to read X"
    expect(
        layer in layers,
        f"{source.name}: expected a layer {layer!r}, found {', '.join(others) or 'no layers'}"
        f"{nearest_name(layer, others)}; {remedy}.",
    )
    return f"layers/{layer}"


def read_counts(source: Source, layer: str | None, rows: IntArray, columns: IntArray | None = None) -> csr_array:
    """Counts of some rows and genes; whether they are counts is decided by all genes.

    Without ``layer`` they are X's, if these can be counts. Otherwise they come, with a warning, from a layer whose name
    says so (:data:`COUNT_LAYERS`), or from ``.raw`` on the genes of ``var``. Fractions in X that no normalisation
    explains give way to whole numbers there, and else are taken as corrected counts.

    Args:
        source: The table.
        layer: Name of the layer, "X", "raw", or None.
        rows: Rows to read, each once.
        columns: Genes to read, as numbers in ``var``, or in ``.raw`` for that layer; all if omitted.

    Returns:
        Float32, shape (m, g).

    Raises:
        InputError: for values that are no counts where no others are at hand.
    """
    key = table_key(source, layer)
    if layer is not None:
        table = _read(source, key, rows, columns)
        problem = _problem(table)
        expect(
            problem is None,
            f"{source.name}: expected raw counts in {_spoken(key)}, found {problem}; name another layer with {argument('layer')}"
            f"{_advice(source, rows, key)}.",
        )
        return table.counts
    found, problem = None, "none"
    if source.has("X"):
        found = _read(source, "X", rows, columns)
        problem = _problem(found, logged="log1p" in source.keys("uns"))
        if problem is None and found.whole:
            return found.counts
    said = "is missing" if found is None else f"holds {problem or 'fractions'}"
    for other in _likely(source):
        beside = _read_genes(source, other, rows, columns)
        if beside is None or _problem(beside) is not None:
            continue
        # Corrected counts may stand in a layer of that name; ``.raw`` usually holds logarithms.
        if beside.whole or (problem is not None and other != "raw/X"):
            warnings.warn(
                f"{source.name}: X {said}; the counts of {_spoken(other)} are used.",
                stacklevel=2,
            )
            return beside.counts
    if problem is None:
        assert found is not None
        if found.largest <= LARGEST_LOGARITHM and found.filled <= MEASURED:
            warnings.warn(
                f"{source.name}: X holds fractions up to {found.largest:.3g}, which are taken for corrected counts; if they are "
                f"normalised, name a layer of counts with {argument('layer')} ({assigned('layer', 'X')} says they are right).",
                stacklevel=2,
            )
        return found.counts
    raise InputError(
        f"{source.name}: expected {'numeric' if found is None else 'raw'} counts in X, found {problem}; "
        f"put raw counts into X or name a layer that holds them with {argument('layer')}{_advice(source, rows, 'X')}."
    )


def _read(source: Source, key: str, rows: IntArray, columns: IntArray | None) -> CountTable:
    return count_table(source.name, _spoken(key), source.blocks(key), rows, columns)


def _read_genes(source: Source, key: str, rows: IntArray, columns: IntArray | None) -> CountTable | None:
    """A table on the genes of ``var``; None where ``.raw`` lacks some of them."""
    if key == "raw/X":
        genes, raw = source.row_names("var"), source.row_names("raw/var")
        if genes != raw:
            column = {gene: i for i, gene in enumerate(raw)}
            if len(column) < len(raw) or not set(genes) <= column.keys():
                return None
            places = np.array([column[gene] for gene in genes])
            columns = places if columns is None else places[columns]
    try:
        return _read(source, key, rows, columns)
    except InputError:
        return None


def _likely(source: Source) -> list[str]:
    """Elements that say that they hold counts, the likeliest first."""
    plain = {layer: re.sub(r"[^a-z]", "", layer.lower()) for layer in sorted(source.keys("layers"))}
    named = sorted((COUNT_LAYERS.index(word), layer) for layer, word in plain.items() if word in COUNT_LAYERS)
    return [f"layers/{layer}" for _, layer in named] + (["raw/X"] if source.has("raw/X") else [])


def _problem(table: CountTable, *, logged: bool = False) -> str | None:
    """Why values are no counts, or None.

    Args:
        table: The values.
        logged: Whether the table says that a logarithm was taken.
    """
    if not table.finite:
        return "NaN or infinite values"
    if table.lowest < 0:
        return f"{table.lowest:g}, so scaled or centred values"
    if table.largest == 0:
        return "only zeros"
    found = None if table.whole else normalisation(table.sample)
    if found is None and logged and not table.whole:
        return "log-normalised values (uns['log1p'] is set)"
    return found


def _advice(source: Source, rows: IntArray, but: str) -> str:
    """The names of elements with whole numbers, as an addition to a remedy."""
    keys = [f"layers/{layer}" for layer in sorted(source.keys("layers"))] + ["raw/X"] * source.has("raw/X")
    good = []
    for key in keys:
        if key == but:
            continue
        try:
            table = _read(source, key, rows, NOTHING)
        except InputError:
            continue
        if _problem(table) is None and table.whole:
            good.append("raw" if key == "raw/X" else key.removeprefix("layers/"))
    return f" (whole numbers: {', '.join(good)})" if good else ""


def _spoken(key: str) -> str:
    return {"X": "X", "raw/X": ".raw"}.get(key, f"layers[{key.removeprefix('layers/')!r}]")
