"""The two leading components of every spot, coloured by slide, before and after each slide is centred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from pyg_gears.lab.encoders.comparison_rows import CENTRED, RAW
from pyg_gears.lab.encoders.figure_parts import plain_axes, slide_color, slide_legend
from pyg_gears.lab.encoders.subject import SlidesSubject
from pyg_gears.lab.probe import Probe
from pyg_gears.report.figure_style import point_size
from pyg_gears.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SlideMap(NamedTuple):
    """Components of all spots.

    Attributes:
        slides: Names of the slides.
        labels: Number of the slide of each spot, shape (n,).
        points: "raw" and "centred" -> two components of every spot, shape (n, 2).
    """

    slides: tuple[str, ...]
    labels: IntArray
    points: dict[str, FloatArray]


def _measure(subject: SlidesSubject) -> SlideMap:
    points = {}
    for kind, name in (("raw", RAW), ("centred", CENTRED)):
        fit = subject.embedding(name).fitted
        assert fit is not None
        points[kind] = torch.cat([fit.xs[slide.name][:, :2] for slide in subject.slides]).numpy()
    return SlideMap(tuple(slide.name for slide in subject.slides), subject.labels, points)


def _tables(record: SlideMap) -> Mapping[str, pd.DataFrame]:
    return {}


def _draw(record: SlideMap, figure: Figure) -> None:
    figure.set_size_inches(4.2 * len(record.points), 4.3)
    order = np.random.default_rng(0).permutation(len(record.labels))  # no slide drawn on top of the others
    colors = np.array([slide_color(number) for number in record.labels])[order]
    panels = figure.subplots(1, len(record.points), squeeze=False)[0]
    for axes, (title, points) in zip(panels, record.points.items(), strict=True):
        axes.scatter(*points[order].T, s=point_size(len(order)), c=colors, lw=0, alpha=0.7)
        axes.set(title=f"{title} expression", xlabel="component 1", ylabel="component 2", xticks=[], yticks=[])
        plain_axes(axes)
    slide_legend(figure, record.slides, marks=False)


# The single points are for the figure.
PROBE = Probe("slide_map", _measure, _tables, _draw, numbers=lambda record: {"slides": record.slides})
