"""The interactive scatter of a page: its data, and the HTML of its controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from pyg_gears.data import Slide
from pyg_gears.report.html_parts import json_text
from pyg_gears.report.packed_values import packed_names, packed_numbers
from pyg_gears.report.page_columns import page_columns
from pyg_gears.report.page_file import asset
from pyg_gears.report.page_genes import page_genes
from pyg_gears.seeds import random_stream

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_CELLS = 200_000
"""Cells on a page; of more a random sample is shown."""
COLUMNS_SHARE = 0.35
"""Share of the room that columns may take before the genes."""


def explorer_data(
    cells: Slide,
    panels: Sequence[tuple[str, Float[np.ndarray, "n 2"]]],
    pos: Float[np.ndarray, "n 2"],
    confidence: Float[np.ndarray, " n"],
    obs: DataFrame,
    *,
    genes: Sequence[str],
    budget: int,
    seed: int,
) -> tuple[dict[str, Any], list[str]]:
    """Everything that the scatter can show, within a number of characters.

    Args:
        cells: Counts and names of the placed cells.
        panels: Title and positions of each scatter, all of the same cells.
        pos: The layout as the file has it, for the table of selected cells.
        confidence: Confidence of each cell.
        obs: Their columns.
        genes: Genes that are to be there whatever their variance.
        budget: Characters for all data.
        seed: Chooses the cells where there are too many.

    Returns:
        The data, and sentences that say what is not on the page.
    """
    n = len(cells)
    shown = np.arange(n)
    notes = []
    if n > MAX_CELLS:
        shown = np.sort(random_stream(seed, "page cells").permutation(n)[:MAX_CELLS])
        notes.append(f"A random {MAX_CELLS:,} of {n:,} cells are drawn.")
    data: dict[str, Any] = {
        "count": len(shown),
        "names": packed_names([cells.cells[i] for i in shown]),
        "confidence": packed_numbers(np.asarray(confidence)[shown]),
        "panels": [{"title": title, **_coordinates(where[shown])} for title, where in panels],
        "layout": _coordinates(pos[shown]),
    }
    left = budget - len(json_text(data))
    found = page_columns(obs.iloc[shown], int(left * COLUMNS_SHARE), skip=("gears_confidence",))
    data["columns"] = found.columns
    left -= len(json_text(found.columns))
    data["genes"] = page_genes(cells, shown, genes, left)
    count, total = len(data["genes"]["names"]), data["genes"]["total"]
    notes.append(
        f"All {total:,} genes are on this page."
        if count == total
        else f"The {count:,} most variable of {total:,} genes are on this page; "
        "others come with pyg-gears report --gene NAME."
    )
    notes += [f"The column {name!r} is not on this page: {reason}." for name, reason in found.left_out.items()]
    return data, notes


def explorer_html() -> str:
    """Controls and places of the scatter."""
    return asset("explorer.html")


def _coordinates(pos: Float[np.ndarray, "n 2"]) -> dict[str, Any]:
    return {"x": packed_numbers(pos[:, 0]), "y": packed_numbers(pos[:, 1])}
