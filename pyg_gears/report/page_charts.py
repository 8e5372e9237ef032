"""Charts of a page as plotly's traces and layout; their texts are ours or escaped for plotly's own markup."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pyg_gears.report.figure_style import OTHER, PALETTE

BINS = 40
MARKS = ("solid", "dash", "dot", "dashdot")


def histogram(
    values: Float[np.ndarray, " n"], x: str, y: str, limits: tuple[float, float], *, mark: float | None = None
) -> dict[str, Any]:
    """Counts in equal bins between the limits, with a dashed line at ``mark``."""
    count, edges = np.histogram(np.asarray(values, dtype=np.float64), bins=BINS, range=limits)
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    bars = {"type": "bar", "x": middle.tolist(), "y": count.tolist(), "width": width, "marker": {"color": PALETTE[0]}}
    layout = axes(x, y)
    if mark is not None:
        line = {"color": "black", "width": 1, "dash": "dash"}
        layout["shapes"] = [{"type": "line", "x0": mark, "x1": mark, "yref": "paper", "y0": 0, "y1": 1, "line": line}]
    return {"traces": [bars], "layout": layout}


def lines(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    *,
    group: int = 1,
    limits: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> dict[str, Any]:
    """One line per name, told apart by colour and by dashes.

    Args:
        curves: Name -> values of x and of y.
        x: Title of the axis.
        y: Title of the axis.
        group: So many neighbouring curves have one colour, and dashes tell them apart.
        limits: Ends of the y axis.
        diagonal: Draw a line where x and y are equal, from 0 to 1.
    """
    traces: list[dict[str, Any]] = []
    for number, (name, (xs, ys)) in enumerate(curves.items()):
        color, dash = (number // group, number % group) if group > 1 else (number, number)
        style = {"color": PALETTE[color % len(PALETTE)], "dash": MARKS[dash % len(MARKS)], "width": 2}
        points = {"x": [float(v) for v in xs], "y": [float(v) if np.isfinite(v) else None for v in ys]}
        traces.append({"type": "scatter", "mode": "lines+markers", "name": html.escape(name), "line": style, **points})
    layout = {**axes(x, y), "showlegend": len(traces) > 1}
    if limits is not None:
        layout["yaxis"]["range"] = list(limits)
    if diagonal:
        ends = {"x0": 0, "y0": 0, "x1": 1, "y1": 1}
        layout["shapes"] = [{"type": "line", **ends, "line": {"color": OTHER, "width": 1, "dash": "dash"}}]
    return {"traces": traces, "layout": layout}


def axes(x: str, y: str) -> dict[str, Any]:
    """A layout with both axes named."""
    return {"xaxis": {"title": {"text": html.escape(x)}}, "yaxis": {"title": {"text": html.escape(y)}}}
