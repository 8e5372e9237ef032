"""Parts that the figures of several probes share: grouped bars, marks per slide, colours of slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.lab.encoders.subject import Scored
from pyg_gears.report.figure_style import OTHER, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEEN, UNSEEN = OTHER, PALETTE[0]
BARS = {"fitted": ("fitted on all slides", SEEN), "held_out": ("slide not seen by the fit", UNSEEN)}


def draw_grouped_bars(
    axes: Axes,
    ticks: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    kinds: Mapping[str, tuple[str, str]] = BARS,
) -> None:
    """Upright bars, one group per tick, one bar per kind, each with its number; None is a dash."""
    width = 0.8 / len(kinds)
    for number, (kind, (label, color)) in enumerate(kinds.items()):
        places = np.arange(len(ticks)) + (number - (len(kinds) - 1) / 2) * width
        heights = [0.0 if value is None or np.isnan(value) else value for value in values[kind]]
        axes.bar(places, heights, width * 0.94, color=color, label=label)
        for place, value, height in zip(places, values[kind], heights, strict=True):
            text = "--" if value is None or np.isnan(value) else f"{value:.2f}"
            # On white, so that the line of chance does not cross the number.
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(place, height + 0.02, text, ha="center", va="bottom", fontsize=8, bbox=box, zorder=4)
    axes.set_xticks(range(len(ticks)), labels=ticks, fontsize=9)
    plain_axes(axes)


def draw_per_slide(
    figure: Figure, scored: Mapping[str, Scored], names: Sequence[str], key: str, label: str, *, relative: bool = False
) -> None:
    """One line per embedding, one mark per slide: hollow where the fit saw the slide, solid where it did not.

    Args:
        figure: An empty figure.
        scored: Scores of the embeddings.
        names: Names of the slides.
        key: Score of single slides to draw.
        label: Name of the axis.
        relative: Divide by the mean over slides.
    """
    figure.set_size_inches(7.2, 1.6 + 0.36 * len(scored))
    axes = figure.subplots()
    for line, one in enumerate(scored.values()):
        for fit, hollow in [(one.fitted, True), *((fold, False) for fold in one.folds)]:
            if fit is None:
                continue
            scale = float(np.mean([numbers[key] for numbers in fit.alone.values()])) if relative else 1.0
            for name in fit.judged:
                color = slide_color(names.index(name))
                face, place = ("none", line - 0.14) if hollow else (color, line + 0.14)
                value = fit.alone[name][key] / scale
                axes.scatter(value, place, s=34, facecolors=face, edgecolors=color, lw=1.3, zorder=3)
    axes.set_yticks(range(len(scored)), labels=list(scored))
    axes.invert_yaxis()
    axes.grid(axis="y", color="#EEEEEE", lw=6, zorder=0)
    axes.set_axisbelow(True)
    axes.set(xlabel=label)
    if relative:
        axes.axvline(1.0, color="black", lw=0.8, ls="--")
    else:
        axes.set_xlim(left=0)
    plain_axes(axes)
    slide_legend(figure, names, marks=True)


def slide_legend(figure: Figure, names: Sequence[str], *, marks: bool) -> None:
    """The slides' colours; with many slides colours repeat, and only the meaning of the marks is shown."""
    from matplotlib.lines import Line2D

    few = names if len(names) <= len(PALETTE) else ()
    style: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 6}
    handles = [Line2D([], [], color=slide_color(i), label=name, **style) for i, name in enumerate(few)]
    if marks:
        handles += [
            Line2D([], [], color="black", markerfacecolor="none", label="seen by the fit", **style),
            Line2D([], [], color="black", label="not seen", **style),
        ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9
        )


def slide_color(number: int) -> str:
    """Colour of a slide by its number."""
    return PALETTE[number % len(PALETTE)]


def plain_axes(axes: Axes) -> None:
    """Axes without a frame above and on the right."""
    axes.spines[["top", "right"]].set_visible(False)
