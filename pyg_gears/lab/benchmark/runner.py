"""Run a comparison: protocols x seeds x methods, each once; a table, figures, and layouts that are kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyg_gears import __version__
from pyg_gears.baselines.rivals import Layout
from pyg_gears.data import Slide
from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import argument, expect
from pyg_gears.lab.benchmark.figures import draw_distortions, draw_parts
from pyg_gears.lab.benchmark.kept import make_unit, unit_folder
from pyg_gears.lab.benchmark.methods import Method
from pyg_gears.lab.benchmark.protocols import PROTOCOLS, Case, Pooling, make_case
from pyg_gears.lab.benchmark.rival_files import RivalFile
from pyg_gears.lab.benchmark.scores import Row, score_parts
from pyg_gears.lab.benchmark.table import write_results
from pyg_gears.lab.progress_bar import progress_bar
from pyg_gears.report.figure_style import caption, check_figures
from pyg_gears.report.layout_figures import MATRIX_CELLS
from pyg_gears.typing import FilePath

HALVES = "disjoint-halves"


@dataclass(frozen=True)
class BenchmarkOutput:
    """A finished comparison.

    Attributes:
        rows: Scores of every protocol, seed, method and part.
        folder: Where ``table.txt``, ``scores.csv``, ``results.json``, the figures and ``layouts/`` lie.
        table: The text of ``table.txt``.
    """

    rows: tuple[Row, ...]
    folder: Path
    table: str


def run_benchmark(
    sections: Sequence[Slide],
    out: FilePath,
    *,
    methods: Sequence[Method],
    protocols: Sequence[str] = (HALVES,),
    seeds: Sequence[int] = (0,),
    pooling: Pooling | None,
    rivals: Sequence[RivalFile] = (),
    progress: bool = True,
) -> BenchmarkOutput:
    """Let methods place the same cells, and score their layouts alike.

    Every method's layout is kept under a name that follows from all that it depends on: a call that was stopped goes on when it
    is made again, and one that asks for more in the same folder computes only that. A fit goes on from its last epoch.

    Args:
        sections: Sections in the order in which the protocols use them.
        out: Folder for everything; a new one, or one to go on in.
        methods: From :func:`find_methods`.
        protocols: Names of ``PROTOCOLS``.
        seeds: Seeds of the methods, and of the halves.
        pooling: How cells become spots; None where the sections to learn from are spots.
        rivals: Layouts of other tools, scored beside, with every seed.
        progress: Show a bar in a terminal.

    Raises:
        InputError: for names, sections or seeds that cannot be used, before any work.
        ImportError: without matplotlib, before any work.
    """
    out = Path(out)
    _check(sections, methods, protocols, seeds, rivals)
    check_figures()
    cases = {(name, seed): make_case(name, sections, pooling, seed) for name in protocols for seed in seeds}
    placed = {(*key, rival.name): rival.layout(case.query.cells) for key, case in cases.items() for rival in rivals}
    rows: list[Row] = []
    first: dict[str, dict[str, Layout]] = {}
    seconds: dict[str, list[float]] = {}
    with progress_bar(total=len(cases) * len(methods), unit="run", shown=progress) as bar:
        for (name, seed), case in cases.items():
            layouts: dict[str, Layout] = {}
            score = partial(score_parts, truth=case.truth, parts=case.parts, seed=seed)
            for method in methods:
                bar.set_description(f"{name}, seed {seed}, {method.name}")
                folder = unit_folder(out, case, method, seed)
                work = out / "work" / folder.name
                unit = make_unit(folder, case.query.cells, partial(method.lay_out, case, seed, work), score)
                shutil.rmtree(work, ignore_errors=True)
                seconds.setdefault(method.name, []).append(unit.seconds)
                layouts |= unit.layouts
                for layout, parts in unit.scores.items():
                    rows += [Row(name, layout, seed, part, *found) for part, found in parts.items()]
                bar.update()
            for rival in rivals:
                layouts[rival.name] = placed[name, seed, rival.name]
                rows += [
                    Row(name, rival.name, seed, part, *found) for part, found in score(layouts[rival.name]).items()
                ]
            first.setdefault(name, layouts)
    shutil.rmtree(out / "work", ignore_errors=True)
    table = write_results(rows, out, _head(sections, cases, methods, rivals, seeds, pooling, seconds))
    _draw(out, cases, first, rows, seeds)
    return BenchmarkOutput(tuple(rows), out, table)


def _check(
    sections: Sequence[Slide],
    methods: Sequence[Method],
    protocols: Sequence[str],
    seeds: Sequence[int],
    rivals: Sequence[RivalFile],
) -> None:
    expect(
        len(protocols) > 0 and len(set(protocols)) == len(protocols),
        f"expected protocols that are named once, found {', '.join(protocols) or 'none'}; change "
        f"{argument('protocols', '--protocol')}.",
    )
    expect(
        len(seeds) > 0 and len(set(seeds)) == len(seeds) and all(seed >= 0 for seed in seeds),
        f"expected different seeds of at least 0, found {', '.join(map(str, seeds)) or 'none'}; change {argument('seeds')}.",
    )
    known = [protocol for protocol in protocols if protocol in PROTOCOLS]
    needed = max((PROTOCOLS[protocol].sections for protocol in known), default=len(sections))
    expect(
        len(sections) <= needed or len(known) < len(protocols),
        f"expected at most {needed} sections for {', '.join(protocols)}, found {len(sections)}; leave out what is not used.",
    )
    expect(
        not rivals or HALVES not in protocols or len(seeds) == 1,
        f"expected one seed with {argument('rivals', '--rival')} and {HALVES}, found {len(seeds)}; a file of places "
        "belongs to one draw of halves.",
    )
    names = [*(method.name for method in methods), *(rival.name for rival in rivals)]
    expect(
        len(names) > 0 and len(set(names)) == len(names),
        f"expected methods and rivals of different names, found {', '.join(names) or 'none'}; rename some.",
    )


def _head(
    sections: Sequence[Slide],
    cases: Mapping[tuple[str, int], Case],
    methods: Sequence[Method],
    rivals: Sequence[RivalFile],
    seeds: Sequence[int],
    pooling: Pooling | None,
    seconds: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """What was compared, on what, with what."""
    described = {}
    for name, seed in cases:
        if seed == seeds[0]:
            case = cases[name, seed]
            described[name] = {
                "note": PROTOCOLS[name].note,
                "spots": {slide.name: len(slide) for slide in case.references},
                "cells": {part: int(chosen.sum()) for part, chosen in case.parts.items()},
            }
    return {
        "version": __version__,
        "sections": [section.name for section in sections],
        "pooling": None if pooling is None else pooling._asdict(),
        "seeds": list(seeds),
        "methods": [method.name for method in methods],
        "rivals": [rival.name for rival in rivals],
        "cpu_seconds": {name: float(sum(values) / len(values)) for name, values in seconds.items()},
        "protocols": described,
    }


def _draw(
    out: Path,
    cases: Mapping[tuple[str, int], Case],
    layouts: Mapping[str, Mapping[str, Layout]],
    rows: Sequence[Row],
    seeds: Sequence[int],
) -> None:
    for name, found in layouts.items():
        case = cases[name, seeds[0]]
        figure = draw_distortions(found, case.truth, seed=seeds[0])
        placed = (
            f"{min(len(case.truth), MATRIX_CELLS)} of {len(case.truth):,} cells of {case.query.name.removesuffix('_cells')}, in "
            "Morton order of their true places"
        )
        _save(figure, out / f"distortion_{name}.png", f"{name}: {placed}; seed {seeds[0]}; version {__version__}")
    if any("inside" in case.parts for case in cases.values()):
        drawn = f"seeds {', '.join(map(str, seeds))}; version {__version__}"
        text = f"Cells that lie inside and between the spots, scored apart; {drawn}"
        _save(draw_parts(rows), out / "inside_between.png", text)


def _save(figure: Any, path: Path, text: str) -> None:
    caption(figure, text)
    with whole_file(path) as part:
        figure.savefig(part, dpi=150)
