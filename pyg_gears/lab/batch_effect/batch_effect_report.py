"""The batch-effect report of files: checks first, then numbers, table and figures in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyg_gears.data.anndata_io import check_h5ad, read_cells, read_slide
from pyg_gears.errors import expect, nearest_name
from pyg_gears.report.report_folder import check_report_folder, plain, report_folder
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from pyg_gears.lab.batch_effect.comparison_rows import ComparisonRow, FittedRow


def batch_effect(
    slide_paths: Sequence[FilePath],
    out: FilePath,
    cells_path: FilePath | None = None,
    *,
    held_out: Sequence[str] = (),
    more_rows: Sequence[ComparisonRow] = (),
    fitted: Sequence[FittedRow] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """How far slides differ, what each correction makes of it, and what it costs; on unseen slides too.

    The folder gets ``report.json`` (every number; what is not defined is null), ``report.txt`` (the table) and figures (PNG). It
    appears whole or not at all.

    Args:
        slide_paths: Two or more ``.h5ad`` slides with positions.
        out: A new or empty folder.
        cells_path: Dissociated cells to compare with the spots, before and after the adapter.
        held_out: Names (file stems) of slides to leave out of every fit, all at once; by default each slide in turn.
        more_rows: Embeddings to compare besides the usual ones.
        fitted: Encoders that are fitted already.
        seed: Seed of all draws.

    Returns:
        The report, as :func:`~pyg_gears.lab.batch_effect.batch_effect_numbers.batch_effect_numbers` describes it.

    Raises:
        InputError: as :func:`check_batch_effect`, and for slides without shared genes.
        ImportError: without matplotlib.
    """
    check_batch_effect(slide_paths, out, cells_path, held_out=held_out)
    slides = [read_slide(path) for path in slide_paths]
    cells = None if cells_path is None else read_cells(cells_path)

    from pyg_gears.lab.batch_effect.batch_effect_figures import batch_effect_figures
    from pyg_gears.lab.batch_effect.batch_effect_numbers import batch_effect_numbers
    from pyg_gears.lab.batch_effect.batch_effect_table import batch_effect_table

    found = batch_effect_numbers(slides, cells, held_out=held_out, more_rows=more_rows, fitted=fitted, seed=seed)
    report = plain(found.report)
    assert isinstance(report, dict)
    with report_folder(out) as folder:
        text = json.dumps(report, indent=2, allow_nan=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(batch_effect_table(report), encoding="utf-8")
        for name, figure in batch_effect_figures(report, found.pictures, found.labels).items():
            figure.savefig(folder / f"{name}.png", dpi=150)
    return report


def check_batch_effect(
    slide_paths: Sequence[FilePath], out: FilePath, cells_path: FilePath | None, *, held_out: Sequence[str]
) -> None:
    """Check what can be told from the files' structure, before anything heavy is loaded.

    Raises:
        InputError: for fewer than two slides, names that repeat, unknown names to hold out, no slide left to fit on, a file
            that is no slide, or a folder in use.
        ImportError: without matplotlib.
    """
    names = [Path(path).stem for path in slide_paths]
    expect(
        len(names) >= 2,
        f"expected two or more slides, found {len(names)}; a batch effect is a difference between slides, name another.",
    )
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; rename the files.",
    )
    for name in held_out:
        expect(
            name in names,
            f"expected --held-out to name one of the slides {', '.join(names)}, found {name!r}{nearest_name(name, names)}; "
            "use the file's stem.",
        )
    expect(
        set(held_out) != set(names),
        f"expected a slide besides {', '.join(held_out)} to fit on, found none; hold out fewer.",
    )
    for path in slide_paths:
        check_h5ad(path, spatial=True)
    if cells_path is not None:
        check_h5ad(cells_path, spatial=False)
        same = [path for path in slide_paths if Path(path).resolve() == Path(cells_path).resolve()]
        expect(
            not same,
            f"expected cells from another file than the slides, found {Path(cells_path).name} in both; leave it out.",
        )
    check_report_folder(out)
    from pyg_gears.report.figure_style import new_figure

    new_figure(1, 1)  # a missing matplotlib is said now, not after the numbers
