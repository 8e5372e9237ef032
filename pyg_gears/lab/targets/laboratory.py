"""The target laboratory on files: checks first, then every diagnostic in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyg_gears.data.io.anndata_in import DEFAULT
from pyg_gears.data.io.checked_files import checked_files, read_files
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.errors import expect
from pyg_gears.report.report_folder import check_report_folder
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from pyg_gears.lab.probe import AnyProbe

SIZES = (128, 256)
LEAST = 48
"""Spots of a miniset at least: with k = 20 fewer have no ring of 3 k neighbours to speak of."""


def target_probes() -> tuple[AnyProbe, ...]:
    """The diagnostics, 0 to 4."""
    from pyg_gears.lab.targets import informativeness, invariance, lattice, recovery, stability

    return invariance.PROBE, stability.PROBE, recovery.PROBE, informativeness.PROBE, lattice.PROBE


def target_laboratory(
    slide_paths: Sequence[FilePath],
    out: FilePath,
    *,
    sizes: Sequence[int] = SIZES,
    families: Sequence[str] | None = None,
    many: int = 40,
    starts: int = 3,
    steps: int = 2000,
    seed: int = 0,
    reading: ReadOptions = DEFAULT,
) -> dict[str, Any]:
    """Look at the targets themselves: invariance, stability, recoverability, informativeness, lattice artefacts.

    The folder gets ``report.json``, ``report.txt`` and a figure per diagnostic that has one (PNG and SVG). It appears whole or
    not at all.

    Args:
        slide_paths: Slides with positions; their expression is not read.
        out: A new or empty folder.
        sizes: Spots of the minisets, one of each size from each slide.
        families: Families to recover; all if omitted.
        many: Minisets of mixed sizes from each slide, for the informativeness.
        starts: Random starts of a direct optimisation.
        steps: Steps of each; with fewer than 2000 the figures are not comparable with the published ones.
        seed: Seed of all draws.
        reading: How the files are understood.

    Returns:
        The report: ``slides``, ``sizes``, ``seed``, and what :func:`pyg_gears.lab.report.write_report` adds.

    Raises:
        InputError: as :func:`check_target_laboratory`, for a slide with too few spots, or an unknown family.
        ImportError: without matplotlib.
    """
    check_target_laboratory(slide_paths, out, sizes=sizes, reading=reading)
    slides = read_files(slide_paths, options=reading).slides

    from pyg_gears.lab.report import measure_probes, write_report
    from pyg_gears.lab.targets.families import FAMILIES
    from pyg_gears.lab.targets.subject import targets_subject

    chosen = tuple(FAMILIES) if families is None else tuple(families)
    subject = targets_subject(slides, sizes, many=many, families=chosen, starts=starts, steps=steps, seed=seed)
    measured = measure_probes(target_probes(), subject)
    head = {
        "slides": [{"name": slide.name, "spots": len(slide)} for slide in slides],
        "sizes": list(sizes),
        "seed": seed,
    }
    names = ", ".join(f"{slide.name} ({len(slide)} spots)" for slide in slides)
    lines = [f"{names}; one miniset of {', '.join(map(str, sizes))} spots from each; seed {seed}"]
    return write_report(out, head, lines, measured)


def check_target_laboratory(
    slide_paths: Sequence[FilePath], out: FilePath, *, sizes: Sequence[int], reading: ReadOptions = DEFAULT
) -> None:
    """Check files, sizes and folder before anything heavy is loaded.

    Raises:
        InputError: for names that repeat, sizes below 48, a file that is no slide, or a folder in use.
        ImportError: without matplotlib.
    """
    with checked_files(slide_paths, options=reading) as files:
        names = files.names
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; name them NAME=path.",
    )
    expect(
        len(sizes) > 0 and min(sizes) >= LEAST,
        f"expected minisets of at least {LEAST} spots, found {', '.join(map(str, sizes)) or 'no size'}; name larger sizes.",
    )
    check_report_folder(out)
    from pyg_gears.report.figure_style import check_figures

    check_figures()
