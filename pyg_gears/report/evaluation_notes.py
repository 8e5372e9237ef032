"""What the numbers of an evaluation do not cover, in sentences."""

from __future__ import annotations

from pyg_gears.data.io.positions import likely_positions
from pyg_gears.data.same_spots import same_spots
from pyg_gears.errors import argument, assigned
from pyg_gears.report.evaluation_input import EvaluationInput
from pyg_gears.report.true_positions import truth_place


def evaluation_notes(given: EvaluationInput) -> list[str]:
    """A sentence for each thing that was left out, and how to have it."""
    notes = []
    if given.unplaced:
        notes.append(
            f"{given.unplaced} cells have no place (they have no count in the model's genes): they are left out."
        )
    if given.truth is None:
        tables = [name for name, table in given.adata.obsm.items() if table.shape[1:] == (2,)]
        others = [
            name
            for name in likely_positions(tables, list(map(str, given.adata.obs.columns)))
            if name != given.truth_key
        ]
        remedy = ""
        if others:
            more = f" (or {', '.join(others[1:3])})" if others[1:] else ""
            remedy = f" If they are in {others[0]}, add {assigned('truth_key', others[0], '--truth')}{more}."
        notes.append(
            f"No true positions in {truth_place(given.adata, given.truth_key)}: only checks that need no truth were made."
            + remedy
        )
    if not given.slides:
        notes.append("No reference slide was named: no rivals were computed.")
    known = [slide.name for slide in given.slides if given.truth is not None and same_spots(given.cells, slide)]
    if known:
        notes.append(
            f"The cells are spots of {', '.join(known)}: rivals, and models, that learned from their places do better than on "
            "new cells. Evaluate the layout of another section."
        )
    if given.labels is None:
        notes.append(
            f"No column of cell types was found: no purity was computed (name one with {argument('label_key')})."
        )
    if given.truth is not None and given.unknown:
        where = truth_place(given.adata, given.truth_key)
        notes.append(f"{given.unknown} cells have no true position (NaN in {where}): they are in none of the numbers.")
    return notes
