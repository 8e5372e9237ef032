"""The batch-effect report of files: checks first, then every probe in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyg_gears.data.io.anndata_in import DEFAULT
from pyg_gears.data.io.checked_files import checked_files, read_files
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.errors import argument, expect, nearest_name
from pyg_gears.lab.encoders.gene_sets import read_gene_sets
from pyg_gears.report.report_folder import check_report_folder
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from pyg_gears.lab.encoders.comparison_rows import ComparisonRow, FittedRow
    from pyg_gears.lab.probe import AnyProbe


def batch_effect_probes() -> tuple[AnyProbe, ...]:
    """The probes of a batch-effect report, in its order."""
    from pyg_gears.lab.encoders import (
        cell_gap,
        composition_sweep,
        coral_sweep,
        embedding_shape,
        gene_moran,
        gene_programmes,
        gene_removal,
        kruskal_wallis,
        neighbor_mixing,
        slide_map,
        slide_probe,
        subspace_angles,
        tissue_kept,
    )

    return (
        slide_probe.PROBE,
        neighbor_mixing.PROBE,
        embedding_shape.PROBE,
        tissue_kept.PROBE,
        subspace_angles.PROBE,
        kruskal_wallis.PROBE,
        gene_removal.PROBE,
        gene_moran.PROBE,
        composition_sweep.PROBE,
        coral_sweep.PROBE,
        gene_programmes.PROBE,
        slide_map.PROBE,
        cell_gap.PROBE,
    )


def batch_effect(
    slide_paths: Sequence[FilePath],
    out: FilePath,
    cells_path: FilePath | None = None,
    *,
    held_out: Sequence[str] = (),
    rows: Sequence[ComparisonRow] | None = None,
    fitted: Sequence[FittedRow] = (),
    seed: int = 0,
    adapter_steps: int = 500,
    probes: Sequence[AnyProbe] | None = None,
    gene_sets: FilePath | None = None,
    harmony: bool = False,
    learned: bool = False,
    reading: ReadOptions = DEFAULT,
) -> dict[str, Any]:
    """Measure how far slides differ, the effect of each correction and its cost, on unseen slides too.

    The folder gets ``report.json``, ``report.txt`` and a figure per probe (PNG). It appears whole or not at all.

    Args:
        slide_paths: Two or more ``.h5ad`` slides with positions.
        out: A new or empty folder.
        cells_path: Dissociated cells to compare with the spots, before and after the adapter.
        held_out: Names of slides to leave out of every fit, all at once; by default each slide in turn.
        rows: Embeddings to compare; by default the usual ones.
        fitted: Encoders that are fitted already; they are judged.
        seed: Seed of all draws.
        adapter_steps: Steps of the adapters between cells and spots.
        probes: By default :func:`batch_effect_probes`; go or no-go follows from them.
        gene_sets: File of programmes, GMT (name, description, genes; tabs between) or JSON (name to genes).
        harmony: Add Harmony to the embeddings.
        learned: Add the learned encoder, without and with CORAL and MMD in its training.
        reading: How the files are understood.

    Returns:
        The report: ``slides``, ``genes`` (shared by the slides), ``cells``, ``seed``, ``folds`` (slides left out together), and
        what :func:`pyg_gears.lab.report.write_report` adds.

    Raises:
        InputError: as :func:`check_batch_effect`, and for slides without shared genes.
        ImportError: without matplotlib, or for Harmony without harmonypy.
    """
    sets = check_batch_effect(
        slide_paths,
        out,
        cells_path,
        held_out=held_out,
        gene_sets=gene_sets,
        harmony=harmony,
        learned=learned,
        reading=reading,
    )
    slides, cells = read_files(slide_paths, cells_path, reading)

    from pyg_gears.lab.encoders import go_no_go
    from pyg_gears.lab.encoders.comparison_rows import comparison_rows, harmony_row
    from pyg_gears.lab.encoders.learned_rows import learned_rows
    from pyg_gears.lab.encoders.subject import slides_subject
    from pyg_gears.lab.report import Measured, measure_probes, write_report

    more = [*([harmony_row(seed)] if harmony else []), *(learned_rows(seed) if learned else [])]
    chosen = [*(comparison_rows(seed) if rows is None else rows), *more]
    subject = slides_subject(
        slides,
        cells,
        held_out=held_out,
        rows=chosen,
        fitted=fitted,
        seed=seed,
        adapter_steps=adapter_steps,
        gene_sets=sets,
    )
    found = measure_probes(batch_effect_probes() if probes is None else probes, subject)
    last = measure_probes([go_no_go.PROBE], {probe.name: record for probe, record in found.records})
    measured = Measured((*found.records, *last.records), (*subject.notes, *found.notes, *last.notes))
    genes, folds = len(subject.slides[0].genes), subject.folds
    head = {
        "slides": [{"name": slide.name, "spots": len(slide)} for slide in subject.slides],
        "genes": genes,
        "cells": None if cells is None else {"name": cells.name, "cells": len(cells)},
        "seed": seed,
        "folds": folds,
    }
    names = ", ".join(f"{slide.name} ({len(slide)} spots)" for slide in subject.slides)
    names += "" if cells is None else f", {cells.name} ({len(cells)} cells)"
    left_out = "each left out in turn" if len(folds) > 1 else f"{', '.join(folds[0])} left out"
    lines = [
        f"{names}; {genes} shared genes",
        f"Rows: encoder fitted on all slides, and mean over slides that its fit has not seen ({left_out}).",
    ]
    return write_report(out, head, lines, measured)


def check_batch_effect(
    slide_paths: Sequence[FilePath],
    out: FilePath,
    cells_path: FilePath | None,
    *,
    held_out: Sequence[str],
    gene_sets: FilePath | None = None,
    harmony: bool = False,
    learned: bool = False,
    reading: ReadOptions = DEFAULT,
) -> dict[str, tuple[str, ...]]:
    """Check the files by their structure, before anything heavy is loaded.

    Returns:
        The gene sets, empty without a file of them.

    Raises:
        InputError: for fewer than two slides, names that repeat, unknown names to hold out, no slide left to fit on (two for
            the learned encoder), a file that is no slide, a file that holds no gene sets, or a folder in use.
        ImportError: without matplotlib, or for Harmony without harmonypy.
    """
    sets = {} if gene_sets is None else read_gene_sets(gene_sets)
    with checked_files(slide_paths, cells_path, reading) as files:
        names = files.names
    expect(
        len(names) >= 2,
        f"expected two or more slides, found {len(names)}; a batch effect is a difference between slides, name another.",
    )
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; name them NAME=path.",
    )
    for name in held_out:
        expect(
            name in names,
            f"expected {argument('held_out')} to name one of the slides {', '.join(names)}, found {name!r}"
            f"{nearest_name(name, names)}; use its name, by default the file's stem.",
        )
    expect(
        set(held_out) != set(names),
        f"expected a slide in addition to {', '.join(held_out)} to fit on, found none; hold out fewer.",
    )
    left = len(names) - max(1, len(set(held_out)))
    expect(
        not learned or left >= 2,
        f"expected two or more slides to train the learned encoder on beside those left out, found {left}; name another slide.",
    )
    if cells_path is not None:
        there = named_path(cells_path).path.resolve()
        same = [path for path in slide_paths if named_path(path).path.resolve() == there]
        expect(
            not same,
            f"expected cells from another file than the slides, found {there.name} in both; leave it out.",
        )
    check_report_folder(out)
    from pyg_gears.report.figure_style import check_figures

    check_figures()
    if harmony:
        from pyg_gears.lab.encoders.harmony import imported_harmony

        imported_harmony()
    return sets
