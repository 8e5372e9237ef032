"""Cells that lack genes of a model: how many may be missing, and what helps where it is more."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_gears.data.gene_overlap import naming_hint
from pyg_gears.errors import expect

MAX_LACKING = 0.1
"""Share of the model's genes that may be completed, exclusive."""


def check_lacking(name: str, known: Sequence[str], genes: Sequence[str], *, allowed: float = MAX_LACKING) -> None:
    """Check that cells lack so few genes of a model that they can be completed.

    Args:
        name: Name of the cells.
        known: Their genes.
        genes: The model's genes.
        allowed: Share of the genes below which they may be missing; 0: none.

    Raises:
        InputError: for cells that lack more; it names the renaming that would help, or the fit that does without the genes.
    """
    found = set(known)
    missing = [gene for gene in genes if gene not in found]
    if not missing or len(missing) < allowed * len(genes):
        return
    hint = naming_hint([("the model", genes), (name, known)], len(genes) - len(missing))
    again = "fit again on the genes that slides and cells share: pyg-gears fit ... --cells CELLS"
    expect(
        False,
        f"{name}: expected all {len(genes)} genes of the model, found {len(missing)} missing, for instance "
        f"{', '.join(missing[:3])}; {hint or again}.",
    )
