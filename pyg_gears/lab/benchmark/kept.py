"""Layouts and scores that are kept, so that a comparison that was stopped, or is asked for more, goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pyg_gears import __version__
from pyg_gears.baselines.rivals import Layout
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.whole_file import writing
from pyg_gears.lab.benchmark.methods import Method
from pyg_gears.lab.benchmark.protocols import Case
from pyg_gears.report.report_folder import report_folder

FILE = "unit.json"


class Unit(NamedTuple):
    """What one method made of one case with one seed.

    Attributes:
        layouts: Name -> layout, shape (n, 2).
        scores: Name -> part -> number of cells and scores.
        seconds: Processor time of the layouts.
    """

    layouts: Mapping[str, Layout]
    scores: Mapping[str, Mapping[str, tuple[int, dict[str, float]]]]
    seconds: float


def unit_folder(out: Path, case: Case, method: Method, seed: int) -> Path:
    """Where a unit is kept; its name follows from everything that it depends on, so that another input finds none."""
    parts = {name: part.astype(int) for name, part in case.parts.items()}
    key = fingerprint(
        __version__,
        list(case.references),
        case.query,
        list(case.query.cells),
        case.truth,
        parts,
        method.depends_on,
        seed,
    )
    return out / "layouts" / case.protocol / f"seed_{seed}" / f"{method.name}-{key[:12]}"


def make_unit(
    folder: Path,
    cells: Sequence[str],
    lay_out: Callable[[], Mapping[str, Layout]],
    score: Callable[[Layout], dict[str, tuple[int, dict[str, float]]]],
) -> Unit:
    """Read a unit from its folder, or make it and put it there, whole or not at all.

    ``NAME.csv`` holds the places of the cells (cell, x, y), ``unit.json`` the scores.
    """
    if (folder / FILE).is_file():
        return _read(folder)
    start = time.process_time()
    layouts = dict(lay_out())
    unit = Unit(layouts, {name: score(pos) for name, pos in layouts.items()}, time.process_time() - start)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with report_folder(folder) as part:
        for name, pos in layouts.items():
            table = pd.DataFrame(pos, index=pd.Index(cells, name="cell"), columns=["x", "y"])
            table.to_csv(part / f"{name}.csv", float_format="%.17g")
        content: dict[str, Any] = {"cpu_seconds": unit.seconds, "scores": unit.scores}
        (part / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return _read(folder)


def _read(folder: Path) -> Unit:
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    layouts = {
        # As text first: pandas' own parser is not exact to the last bit in all versions.
        name: pd.read_csv(folder / f"{name}.csv", index_col=0, dtype={"x": str, "y": str}).astype(np.float64).to_numpy()
        for name in content["scores"]
    }
    scores = {
        name: {part: (cells, values) for part, (cells, values) in parts.items()}
        for name, parts in content["scores"].items()
    }
    return Unit(layouts, scores, content["cpu_seconds"])
