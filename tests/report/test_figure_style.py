from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pyg_gears.report.figure_style import caption, legend_below, new_figure, save_figure

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(("n", "pixels"), [(50, False), (5000, True)])
def test_a_vector_copy_whose_dense_scatter_is_pixels(tmp_path: Path, n: int, pixels: bool) -> None:
    figure = new_figure(4.0, 3.0)
    figure.subplots().scatter(*np.random.default_rng(0).random((2, n)))
    save_figure(figure, tmp_path / "x.png", "n = many")
    vector = (tmp_path / "x.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png", "x.svg"]
    assert bool(re.search(r"<image [^>]*data:image/png;base64", vector, flags=re.DOTALL)) == pixels
    assert len(vector) < 400_000


@pytest.mark.parametrize("width", [3.6, 5.2, 10.5])
@pytest.mark.parametrize(
    "text", ["MMMM WWWW " * 30, "LAYOUT.h5ad: n = 343 cells; no truth; rivals learned from A1, A2 " * 4]
)
def test_no_line_of_a_caption_is_cut_off(width: float, text: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(width, 3.0)
    caption(figure, text)
    FigureCanvasAgg(figure).draw()
    found = figure.texts[-1]
    assert found.get_window_extent().x1 <= figure.bbox.x1
    assert found.get_text().split() == text.split()
    # Nor is room wasted: the longest line takes most of the width.
    assert found.get_window_extent().width > 0.75 * figure.bbox.width


def test_a_caption_wraps_and_stands_clear_of_the_plot_and_the_legend() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = new_figure(4.0, 3.0)
    axes = figure.subplots()
    axes.plot([0, 1], label="a line")
    axes.set_xlabel("x of the plot")
    legend_below(figure, [axes])
    caption(
        figure, "layout.h5ad: n = 300 cells; truth in obsm['spatial']; rivals learned from slide_a, slide_b; seed 0"
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    text = figure.texts[-1].get_window_extent()
    assert "\n" in figure.texts[-1].get_text()
    assert text.x0 >= 0
    assert text.x1 <= figure.bbox.x1
    assert text.y0 >= 0
    legend = figure.legends[0].get_window_extent()
    assert legend.y1 <= axes.get_tightbbox().y0
    above = [axes.get_window_extent(), figure.legends[0].get_window_extent(), axes.xaxis.label.get_window_extent()]
    assert all(text.y1 <= box.y0 for box in above)


def test_with_a_caption_legends_and_titles_keep_their_places() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    boxes = []
    for text in ("", "n = 300 cells; seed 0"):
        figure = new_figure(6.0, 3.0)
        axes = figure.subplots()
        points = axes.scatter([0, 1], [0, 1], c=[0, 1], label="a rather long name of a cell type")
        figure.colorbar(points, ax=axes, label="unit")
        figure.suptitle("above all")
        figure.legend(loc="outside right center")
        if text:
            caption(figure, text)
        FigureCanvasAgg(figure).draw()
        parts = [axes, figure.axes[1], figure.texts[0], figure.legends[0]]
        boxes.append([part.get_tightbbox() for part in parts])
        assert boxes[-1][3].x0 >= max(box.x1 for box in boxes[-1][:2])
    lift = boxes[1][0].y0 - boxes[0][0].y0
    assert lift > 10
    for before, after in zip(*boxes, strict=True):
        np.testing.assert_allclose(after.extents, before.extents + np.array([0, lift, 0, lift]), atol=1.0)
