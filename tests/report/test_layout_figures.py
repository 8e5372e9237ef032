from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from scipy.sparse import csr_matrix

from pyg_gears.metrics import BETTER, evaluate_layout
from pyg_gears.report.comparison_figures import (
    calibration_figure,
    comparison_figure,
    local_rmse_figure,
    roc_figure,
)
from pyg_gears.report.layout_figures import (
    distortion_figure,
    gene_figure,
    residual_figure,
    truth_figure,
    type_figure,
    value_figure,
)


def _layouts(n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.random((n, 2))
    return truth + 0.1 * generator.normal(size=(n, 2)), truth


def test_distortion_of_a_perfect_layout_is_zero() -> None:
    _, truth = _layouts()
    axes = distortion_figure(3 * truth[:, ::-1], truth, seed=0).axes[0]
    assert np.abs(axes.images[0].get_array()).max() < 1e-6
    noisy = distortion_figure(*_layouts(), seed=0).axes[0]
    assert np.median(np.asarray(noisy.images[0].get_array())) > 0.01
    assert noisy.images[0].get_array().shape == (150, 150)


def test_figures_name_their_units() -> None:
    pos, truth = _layouts()
    genes = gene_figure(pos, truth, ["a", "b"], np.random.default_rng(1).random((len(pos), 2)))
    bars = [axes.get_ylabel() for axes in genes.axes if axes.get_label() == "<colorbar>"]
    assert set(bars) == {"log1p of counts per 10,000"}
    distances = csr_matrix(np.linalg.norm(truth[:, None] - truth[None], axis=2))
    assert residual_figure(pos, distances).axes[0].get_xlabel().endswith("(RMS radii)")


def test_calibration_and_roc_draw_every_method() -> None:
    pos, truth = _layouts()
    layouts = {"gears": pos, "tsne": truth}
    for figure in (calibration_figure(layouts, truth, seed=0), roc_figure(layouts, truth, seed=0)):
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert len(labels) == 3
        assert labels[1].startswith("GEARS")
        assert labels[2].startswith("t-SNE")
    perfect = roc_figure(layouts, truth, seed=0).axes[0].lines[2]
    assert np.asarray(perfect.get_ydata())[1:] == pytest.approx(1.0)
    line = calibration_figure(layouts, truth, seed=0).axes[0].lines[2]
    assert np.allclose(line.get_xdata(), line.get_ydata())


def test_bars_and_local_error_show_the_scores() -> None:
    pos, truth = _layouts()
    methods = {"gears": evaluate_layout(pos, truth), "spectral": dict.fromkeys(BETTER, float("nan"))}
    panels = comparison_figure(methods).axes
    assert len(panels) == 8
    assert panels[0].patches[0].get_width() == pytest.approx(methods["gears"]["spearman"])
    assert [text.get_text().strip() for text in panels[0].texts] == [f"{methods['gears']['spearman']:.3f}", "--"]
    curve = local_rmse_figure(methods).axes[0].lines[0]
    assert list(curve.get_ydata()) == [methods["gears"][f"local_rmse_{k}"] for k in (10, 20, 50, 100)]


def test_layouts_have_equal_aspect_and_all_cells() -> None:
    pos, truth = _layouts()
    kinds = np.array([f"type {i % 12}" for i in range(150)])
    expression = np.stack([truth[:, 0], truth[:, 0] + 1e-3 * truth[:, 1], truth[:, 1], np.ones(150)], axis=1)
    figures = (
        value_figure(pos, truth[:, 0], "confidence", "cividis"),
        type_figure(pos, kinds, "cell types"),
        truth_figure(pos, truth),
        gene_figure(pos, truth, ["a", "b", "c", "d"], expression),
    )
    for figure in figures:
        panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        assert all(axes.get_aspect() == 1.0 for axes in panels)
        assert sum(len(c.get_offsets()) for c in panels[0].collections) == 150
    labels = figures[1].axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "5 others"
    assert len(labels) == 8
    titles = [axes.get_title() for axes in figures[3].axes]
    # "b" is nearly a copy of "a", "d" is constant.
    assert [name for name in ("a", "b", "c") if f"{name}, truth" in titles] in (["a", "c"], ["b", "c"])


def test_residuals_are_layout_minus_measured() -> None:
    pos, _ = _layouts()
    i, j = np.triu_indices(150, 1)
    distance = np.linalg.norm(pos[i] - pos[j], axis=1)
    axes = residual_figure(pos, csr_matrix((distance + 0.25, (i, j)), shape=(150, 150))).axes[0]
    heights = [patch.get_height() for patch in axes.patches]
    left = axes.patches[int(np.argmax(heights))].get_x()
    assert max(heights) > 0.9 * i.size
    assert left == pytest.approx(-0.25, abs=0.01)
    assert "median |residual| 0.25" in axes.texts[0].get_text()


def test_long_names_stay_inside_the_figure() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    pos, _ = _layouts()
    names = np.array(["Excitatory neurons of layer 6 89% (4)", "type_1 50% (1)"])[np.arange(len(pos)) % 2]
    figure = type_figure(pos, names, "communities")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (legend,) = figure.legends
    assert legend.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.x1
