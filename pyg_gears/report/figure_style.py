"""The common look of the figures: colours, sizes, bare axes. Nothing here touches matplotlib's global state."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinct for all common kinds of colour vision; ours first, then the rivals.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
OTHER = "#BBBBBB"
DENSE = 2000
"""Scatters of more points are pixels in a vector copy too, which would otherwise take minutes to open."""
CAPTION_SIZE = 9
"""Points."""


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of the given size in inches, independent of pyplot.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Figures need matplotlib: pip install 'pyg-gears[plot]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def check_figures() -> None:
    """Check that figures can be drawn at all, before the work whose result they show.

    Raises:
        ImportError: without matplotlib.
    """
    new_figure(1, 1)


def caption(figure: Figure, text: str) -> None:
    """Add a strip with a caption below the figure: what is shown, of how many, in which unit, what was held out."""
    lines = _wrapped(text, 72 * 0.94 * figure.get_figwidth())  # on a screen hinting widens the letters by some percent
    strip, before = 0.1 + 0.16 * len(lines), figure.get_figheight()
    height = before + strip
    # Laid out without the strip, then lifted as it is: the layout would leave no room for a legend that is anchored above it.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.set_figheight(height)
    for axes in figure.axes:
        x, y, wide, high = axes.get_position(original=True).bounds
        axes.set_position((x, (y * before + strip) / height, wide, high * before / height))
    for title in figure.texts:
        title.set_y((title.get_position()[1] * before + strip) / height)
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0.0, strip / height, 1.0, before / height), transform=figure.transFigure)
    figure.text(0.01, 0.05 / height, "\n".join(lines), va="bottom", fontsize=CAPTION_SIZE, color="#404040")


def _wrapped(text: str, points: float) -> list[str]:
    """Lines of the text that are at most so many points wide (a long word may be wider)."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=CAPTION_SIZE)
    for characters in range(int(points / 3), 20, -1):
        lines = textwrap.wrap(text, characters)
        if all(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] <= points for line in lines):
            return lines
    return textwrap.wrap(text, 20)


def save_figure(figure: Figure, path: Path, text: str) -> None:
    """Write ``path`` (.png) for the screen and, beside it, an SVG for print, both with the caption ``text``."""
    caption(figure, text)
    for axes in figure.axes:
        for points in axes.collections:
            points.set_rasterized(len(np.asarray(points.get_offsets())) > DENSE)
    figure.savefig(path, dpi=150)
    figure.savefig(path.with_suffix(".svg"), dpi=150, metadata={"Date": None})


def line_axes(x: str, y: str, title: str) -> tuple[Figure, Axes]:
    """A figure with one plot, its axes named."""
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def line_styles() -> Iterator[dict[str, Any]]:
    """Ours first, thick and on top; then thin lines in the other colours."""
    yield {"color": PALETTE[0], "lw": 2.6, "zorder": 5}
    for color in PALETTE[1:]:
        yield {"color": color, "lw": 1.3, "zorder": 3}


def scatter(
    axes: Axes,
    pos: Float[np.ndarray, "n 2"],
    values: Float[np.ndarray, " n"],
    title: str,
    colors: str,
    *,
    bar: bool = True,
    limits: tuple[float, float] | None = None,
    unit: str = "",
) -> None:
    """Points coloured by value, high values on top, colours spanning ``limits`` or the 1st to the 99th percentile."""
    order = np.argsort(values, kind="stable")
    low, high = np.percentile(values, [1, 99]) if limits is None else limits
    high = high if high > low else low + 1.0
    x, y = pos[order].T
    points = axes.scatter(x, y, c=values[order], s=point_size(len(pos)), cmap=colors, vmin=low, vmax=high, lw=0)
    bare(axes, title)
    if bar:
        axes.figure.colorbar(points, ax=axes, shrink=0.9, extend="both" if limits is None else "neither", label=unit)


def bare(axes: Axes, title: str) -> None:
    """Equal units on both axes, no ticks (a layout has no frame), a title."""
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def panel_height(width: float, *layouts: Float[np.ndarray, "n 2"]) -> float:
    """Height in inches of panels of this width for layouts of these shapes, so that little space stays empty."""
    ratio = max(float(np.ptp(pos[:, 1]) / max(np.ptp(pos[:, 0]), 1e-12)) for pos in layouts)
    return width * float(np.clip(ratio, 0.35, 1.1)) + 0.5


def point_size(n: int) -> float:
    """Area of a point, in square points, at which n cells cover about the same share of a panel."""
    return float(np.clip(9000 / n, 1.5, 45))


def legend_below(figure: Figure, panels: Iterable[Axes], *, columns: int = 5, order: Sequence[str] = ()) -> None:
    """One legend under the whole figure of what the panels show, each label once; names of ``order`` come first."""
    known: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            known.setdefault(label, handle)
    names = [*(name for name in order if name in known), *(name for name in known if name not in order)]
    shown = [known[name] for name in names]
    figure.legend(shown, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
