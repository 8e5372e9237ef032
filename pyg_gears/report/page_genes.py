"""Which genes a page holds, and their expression: as many as fit, the most variable first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse import csc_array

from pyg_gears.data import Slide
from pyg_gears.encoders import normalize_expression
from pyg_gears.errors import argument, expect, nearest_name
from pyg_gears.report.packed_values import packed_names, packed_numbers

ENTRY = 75
"""Characters that a gene takes beside its values and its name."""
STEPS = 60
"""Steps of a gene's expression: more than a colour map shows, few enough to compress well."""


def check_genes(genes: Sequence[str], known: Sequence[str]) -> None:
    """Check that the genes asked for are in the file.

    Raises:
        InputError: for a gene that is not.
    """
    missing = [gene for gene in genes if gene not in set(known)]
    expect(
        not missing,
        f"expected genes of the layout in {argument('genes', '--gene')}, found {missing[0] if missing else ''!r}"
        f"{nearest_name(missing[0], known) if missing else ''}; use the names in var_names.",
    )


def page_genes(cells: Slide, shown: np.ndarray, first: Sequence[str], budget: int) -> dict[str, Any]:
    """Expression of genes (log1p of counts per 10,000), in 60 steps each.

    Args:
        cells: Counts of all cells.
        shown: Indices of the cells on the page.
        first: Genes that are on the page whatever their variance.
        budget: Characters that the genes may take; the genes of ``first`` may exceed it.

    Returns:
        ``names`` and ``values`` of the genes on the page, ``others``: the names of the rest, and ``total``.
    """
    expression = csc_array(normalize_expression(cells)[shown])
    order = _by_variance(expression, len(shown))
    position = {gene: i for i, gene in enumerate(cells.genes)}
    chosen = list(dict.fromkeys([*(position[gene] for gene in first), *order.tolist()]))
    names: list[str] = []
    values: list[dict[str, Any]] = []
    left = budget
    for number, gene in enumerate(chosen):
        column = np.zeros(len(shown))
        part = slice(expression.indptr[gene], expression.indptr[gene + 1])
        column[expression.indices[part]] = expression.data[part]
        value = packed_numbers(column, 8, STEPS)
        left -= len(value["data"]) + len(cells.genes[gene]) + ENTRY
        if left < 0 and number >= len(first):
            break
        names.append(cells.genes[gene])
        values.append(value)
    others = [cells.genes[gene] for gene in chosen[len(names) :]]
    return {"names": names, "values": values, "others": packed_names(others), "total": len(cells.genes)}


def _by_variance(expression: csc_array, n: int) -> Float[np.ndarray, " g"]:
    """Genes by falling variance over the cells."""
    mean = np.asarray(expression.sum(axis=0), dtype=np.float64).ravel() / n
    square = np.asarray(expression.power(2).sum(axis=0), dtype=np.float64).ravel() / n
    return np.argsort(-(square - mean**2), kind="stable")
