"""Go or no-go: every embedding against the published limits of an encoder, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.subject import KINDS, Scored
from pyg_gears.lab.probe import NotMeasurable, Probe
from pyg_gears.lab.text_table import number
from pyg_gears.report.figure_style import OTHER, PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT, BROKEN = PALETTE[5], PALETTE[1]


class Gates(NamedTuple):
    """One embedding against the limits.

    Attributes:
        figures: Figure by the name of its limit, see :data:`~pyg_gears.lab.encoders.published_limits.LIMITS`; None where it was
            not measured.
        passed: Whether each keeps its limit; None where it was not measured.
        go: Whether all that were measured do.
    """

    figures: dict[str, float | None]
    passed: dict[str, bool | None]
    go: bool


class GoNoGo(NamedTuple):
    """Verdicts by embedding, then "fitted" (slides that the fit has seen, as published) and "held_out"; None without a fit."""

    chance: float
    embeddings: dict[str, dict[str, Gates | None]]


def gates(figures: Mapping[str, float | None]) -> Gates:
    """Hold figures against the limits.

    Args:
        figures: Figure by the name of its limit; those that are absent were not measured.
    """
    known = {key: figures.get(key) for key in LIMITS}
    passed = {key: limit.requirement(known[key], "").passed for key, limit in LIMITS.items()}
    return Gates(known, passed, all(one is not False for one in passed.values()))


def _measure(records: Mapping[str, Any]) -> GoNoGo:
    """From the records of the other probes, by name: nothing is measured again."""
    needed = ("slide_probe", "tissue_kept", "embedding_shape")
    missing = [name for name in needed if name not in records]
    if missing:
        raise NotMeasurable(f"expected the probes {', '.join(needed)}, found no {missing[0]}; ask for it too.")
    probes, kept, shapes = (records[name].embeddings for name in needed)
    cells = records.get("cells_and_spots", {})

    def of(name: str, kind: str) -> Gates | None:
        parts: list[Scored] = [one[name] for one in (probes, kept, shapes)]
        if parts[0].summary[kind] is None:
            return None
        figures: dict[str, float | None] = {}
        for part in parts:
            figures |= {key: value for key, value in (part.summary[kind] or {}).items() if key in LIMITS}
        gap = getattr(cells[name], kind) if name in cells else None
        return gates(figures | {"domain": None if gap is None else gap["after"]["probe"]})

    return GoNoGo(records["slide_probe"].chance, {name: {kind: of(name, kind) for kind in KINDS} for name in probes})


def _tables(record: GoNoGo) -> Mapping[str, pd.DataFrame]:
    rows = {}
    for name, kinds in record.embeddings.items():
        for kind, label in KINDS.items():
            one = kinds[kind]
            figures = {} if one is None else one.figures
            broken = [] if one is None else [LIMITS[key].short for key, passed in one.passed.items() if passed is False]
            verdict = "--" if one is None else "go" if one.go else f"no-go: {', '.join(broken)}"
            rows[name, label] = [*(figures.get(key) for key in LIMITS), verdict]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*(one.short for one in LIMITS.values()), "verdict"])
    limits = ", ".join(f"{one.short} {one.direction} {one.limit:g}" for one in LIMITS.values())
    title = (
        f"Go or no-go by the published limits (three slides of liver, seen by the encoder; chance of the probe here "
        f"{record.chance:.3f}):\n{limits}"
    )
    return {title: frame.set_axis(pd.MultiIndex.from_tuples(rows))}


def _draw(record: GoNoGo, figure: Figure) -> None:
    """A cell for every limit: its figure, coloured by whether it is kept."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    names = list(record.embeddings)
    figure.set_size_inches(10.4, 1.7 + 0.34 * len(names))
    panels = figure.subplots(1, len(KINDS), sharey=True)
    code = {True: 0, False: 1, None: 2}
    for axes, (kind, label) in zip(panels, KINDS.items(), strict=True):
        found = [record.embeddings[name][kind] or gates({}) for name in names]
        table = np.array([[code[one.passed[key]] for key in LIMITS] for one in found])
        axes.imshow(table, cmap=ListedColormap([KEPT, BROKEN, "#EEEEEE"]), vmin=0, vmax=2, aspect="auto")
        for i, one in enumerate(found):
            for j, key in enumerate(LIMITS):
                value = one.figures[key]
                axes.text(j, i, "--" if value is None else number(value), ha="center", va="center", fontsize=8)
        ticks = [
            f"{one.short}\n{'<=' if one.direction == 'at most' else '>='} {one.limit:g}" for one in LIMITS.values()
        ]
        axes.set_xticks(range(len(LIMITS)), labels=ticks, fontsize=8)
        axes.set_yticks(range(len(names)), labels=names, fontsize=9)
        axes.set_title(label, fontsize=10)
        axes.tick_params(length=0)
        axes.spines[:].set_color(OTHER)
    labels = {"kept": KEPT, "not kept": BROKEN, "not measured": "#EEEEEE"}
    handles = [Patch(facecolor=color, label=label) for label, color in labels.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


PROBE = Probe("go_no_go", _measure, _tables, _draw)
