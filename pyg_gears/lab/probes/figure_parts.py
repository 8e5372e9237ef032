"""Parts that the figures of several probes share: pooled curves by recycle, and grouped bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pyg_gears.report.figure_style import OTHER, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "std over minisets, heads, models"


class Curve(NamedTuple):
    """A quantity by recycle: each head of each member, their mean, and the spread over minisets, heads and members."""

    each: Float[np.ndarray, "lines recycles"]
    mean: Float[np.ndarray, " recycles"]
    spread: Float[np.ndarray, " recycles"]


def pooled(means: Sequence[np.ndarray], spreads: Sequence[np.ndarray]) -> Curve:
    """Pool members (and heads, the last axis of two): the mean, and the standard deviation over minisets and all of them.

    The variance of a mixture: the mean variance over minisets plus the variance of the means. NaN is left out.

    Args:
        means: Mean over minisets of each member, shape (recycles,) or (recycles, heads) each.
        spreads: Standard deviation over minisets, of the same shapes.
    """
    each, within = (
        np.concatenate([np.reshape(value, (len(value), -1)) for value in values], axis=1).T
        for values in (means, spreads)
    )
    known = ~np.isnan(each)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, each, 0.0).sum(axis=0) / count
        variance = np.where(known, (each - mean) ** 2 + within**2, 0.0).sum(axis=0) / count
    return Curve(each, mean, np.sqrt(variance))


def draw_curve(axes: Axes, curve: Curve, color: str, label: str, *, each: bool) -> None:
    """The mean with its band; thin lines for single heads where asked for."""
    x = np.arange(1, len(curve.mean) + 1)
    if each:
        for number, line in enumerate(curve.each):
            axes.plot(x, line, color=OTHER, lw=0.9, zorder=2, label="one head" if number == 0 else None)
    low, high = curve.mean - curve.spread, curve.mean + curve.spread
    axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0, zorder=1, label=BAND)
    axes.plot(x, curve.mean, color=color, lw=2.0, marker="o", ms=4, zorder=4, label=label)


def recycle_ticks(axes: Axes, recycles: int, *, last: bool) -> None:
    """A tick per recycle; only the last row names the axis."""
    axes.set_xticks(range(1, recycles + 1))
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("recycle")


def draw_bars(axes: Axes, ticks: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Horizontal bars in groups; each value is a list over members, drawn as mean and standard deviation."""
    width = 0.8 / len(values)
    longest = 0.0
    for number, (label, groups) in enumerate(values.items()):
        places = np.arange(len(ticks)) + (number - (len(values) - 1) / 2) * width
        table = np.asarray(groups, dtype=float)
        means, errors = table.mean(axis=1), table.std(axis=1)
        axes.barh(places, np.nan_to_num(means), width * 0.92, color=PALETTE[number % len(PALETTE)], label=label)
        if table.shape[1] > 1:
            axes.errorbar(means, places, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9)
        for place, mean, error in zip(places, means, errors, strict=True):
            text = "--" if np.isnan(mean) else f"{mean:.3f}" if mean < 10 else f"{mean:.1f}"
            style: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
            axes.annotate(text, (np.nan_to_num(mean + error), place), bbox=box, zorder=4, **style)
        longest = max(longest, float(np.nan_to_num(means + errors).max()))
    axes.set_xlim(0, longest * 1.15 if longest > 0 else 1.0)
    axes.set_yticks(range(len(ticks)), labels=ticks, fontsize=9)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
