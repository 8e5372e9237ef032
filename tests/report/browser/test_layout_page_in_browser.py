from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from pyg_gears.data import cells_from_anndata
from pyg_gears.encoders import normalize_expression
from pyg_gears.report.layout_page import write_layout_page

pytest.importorskip("plotly")
ATTACK = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"
COLOURS = "() => document.querySelectorAll('.plot')[0].data.map((t) => [t.marker.color, t.x.length])"
FOCUSED = """() => {
    const e = document.activeElement, style = getComputedStyle(e);
    const name = e.getAttribute('aria-label') || (e.labels?.length && e.labels[0].textContent) || e.textContent;
    const visible = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    return [e.id || e.dataset.tool || e.className, name.trim(), visible];
}"""


@pytest.fixture(scope="module")
def file(layout_file: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_layout_page(layout_file(folder), folder / "page.html")
    return folder / "page.html"


@pytest.fixture(scope="module")
def adata(file: Path) -> anndata.AnnData:
    return anndata.read_h5ad(file.with_name("layout.h5ad"))


def drag(page: Any, points: list[tuple[float, float]]) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def names(page: Any) -> list[str]:
    return page.input_value("#names").split()


def test_the_scatter_is_drawn_in_webgl(file: Path, watch: Callable[..., Any]) -> None:
    page = watch().open(file)
    assert page.locator(".plot").count() == 2
    assert page.evaluate("() => document.querySelector('.plot').data[0].type") == "scattergl"
    assert "WebGL" not in page.inner_text("#explorer")
    # Some point of the canvas has a colour of the map.
    picture = page.locator(".plot").first.screenshot()
    assert len(picture) > 5000
    assert page.evaluate("() => document.querySelectorAll('#confidence-chart .bars .point').length") == 40


def test_without_webgl_the_scatter_is_drawn_all_the_same(file: Path, watch: Callable[..., Any]) -> None:
    watched = watch()
    watched.page.add_init_script(
        """const whole = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return kind.includes('webgl') ? null : whole.call(this, kind, ...more); };"""
    )
    page = watched.open(file)
    assert page.evaluate("() => document.querySelector('.plot').data[0].type") == "scatter"
    assert page.evaluate("() => document.querySelectorAll('.plot .scatterlayer .point').length") == 240
    assert "no WebGL" in page.inner_text("#status")


def test_search_of_a_gene_colours_cells_by_it(file: Path, watch: Callable[..., Any], adata: anndata.AnnData) -> None:
    watched = watch()
    page = watched.open(file)
    before = page.evaluate(COLOURS)
    page.fill("#gene", "g7")
    page.press("#gene", "Enter")
    watched.wait("() => document.getElementById('legend').textContent.includes('g7, log1p')")
    watched.wait(f"() => JSON.stringify(({COLOURS})()) !== {str(before)!r}")
    drawn = page.evaluate(COLOURS)
    assert sum(count for _, count in drawn) == 120
    assert len({colour for colour, _ in drawn}) > 5
    assert page.input_value("#column") == "gene"
    # The value that a cell shows is the one of the file.
    expression = normalize_expression(cells_from_anndata(adata, "cells")).toarray()
    spot = page.evaluate(
        """() => { const p = document.querySelector('.plot'), l = p._fullLayout, b = p.getBoundingClientRect(), t = p.data[3];
        return [b.x + l.xaxis._offset + l.xaxis.d2p(t.x[0]), b.y + l.yaxis._offset + l.yaxis.d2p(t.y[0])]; }"""
    )
    page.mouse.move(*spot)
    watched.wait("() => document.getElementById('readout').textContent.includes('g7')")
    cell, rest = page.inner_text("#readout").split(": confidence ")
    value = float(rest.split(": ")[1])
    assert value == pytest.approx(expression[int(cell[1:]), 7], abs=0.05)


def test_a_part_of_a_name_and_unknown_names(file: Path, watch: Callable[..., Any]) -> None:
    watched = watch()
    page = watched.open(file)
    for typed, words in (("zzz", "No gene named zzz."), ("g", '12 genes contain "g"')):
        page.fill("#gene", typed)
        page.press("#gene", "Enter")
        assert words in page.inner_text("#status")
    page.fill("#gene", "G10")
    page.press("#gene", "Enter")
    watched.wait("() => document.getElementById('legend').textContent.includes('g10, log1p')")
    assert page.input_value("#gene") == "g10"
    assert page.inner_text("#status") == ""


def test_the_slider_greys_cells_out(file: Path, watch: Callable[..., Any], adata: anndata.AnnData) -> None:
    watched = watch()
    page = watched.open(file)
    page.focus("#threshold")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    confidence = adata.obs["gears_confidence"]
    kept = int((confidence >= 0.4).sum())
    assert page.inner_text("#threshold-value") == f"0.40: {kept} of 120 cells kept"
    watched.wait(f"() => {{ const d = ({COLOURS})(); return d[0][0] === '#d6d6d6' && d[0][1] === {120 - kept}; }}")


def test_lasso_gives_cells_in_both_panels_and_a_csv(
    file: Path, watch: Callable[..., Any], adata: anndata.AnnData
) -> None:
    watched = watch()
    page = watched.open(file)
    page.click("text=Lasso")
    box = page.locator(".plot").nth(1).bounding_box()  # the truth: linked
    left, right = box["x"] + 5, box["x"] + box["width"] / 2
    top, bottom = box["y"] + 5, box["y"] + box["height"] - 5
    drag(page, [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 3)])
    watched.wait("() => document.getElementById('names').value.length > 0")
    chosen = names(page)
    x = adata.obsm["spatial"][:, 0]
    inside = np.isin(adata.obs_names, chosen)
    assert 20 < inside.sum() < 100
    assert x[inside].max() <= x[~inside].min()
    watched.wait(
        f"() => [0, 1].every((k) => document.querySelectorAll('.plot')[k].data[0].x.length === {120 - len(chosen)})"
    )
    page.select_option("#column", "1")
    watched.wait("() => document.getElementById('legend').textContent.includes('score')")
    with page.expect_download() as waiting:
        page.click("#download")
    rows = list(csv.reader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8"))))
    assert rows[0] == ["cell", "x_gears", "y_gears", "gears_confidence", "score"]
    assert [row[0] for row in rows[1:]] == chosen
    table = np.array([row[1:] for row in rows[1:]], dtype=float)
    expected = np.column_stack([adata.obsm["X_gears"], adata.obs["gears_confidence"], adata.obs["score"]])[
        adata.obs_names.get_indexer(chosen)
    ]
    np.testing.assert_allclose(table, expected, atol=2e-3)
    page.click("#clear")
    assert names(page) == []
    watched.wait("() => [0, 1].every((k) => document.querySelectorAll('.plot')[k].data.length > 5)")


def test_boxes_add_up_with_shift_and_leave_greyed_cells_out(
    file: Path, watch: Callable[..., Any], adata: anndata.AnnData
) -> None:
    page = watch().open(file)
    page.fill("#threshold", "0.2")
    page.click("text=Select box")
    box = page.locator(".plot").nth(1).bounding_box()
    left, right, top, bottom = box["x"] + 2, box["x"] + box["width"] - 2, box["y"] + 2, box["y"] + box["height"] - 2
    middle = (top + bottom) / 2
    drag(page, [(left, top), (right, middle)])
    upper = names(page)
    page.keyboard.down("Shift")
    drag(page, [(left, middle), (right, bottom)])
    page.keyboard.up("Shift")
    kept = set(adata.obs_names[adata.obs["gears_confidence"] >= 0.2])
    assert 10 < len(upper) < len(kept) < 120
    assert set(names(page)) == kept
    page.fill("#threshold", "0")
    assert set(names(page)) == kept  # what was grey when the others were selected does not slip in
    page.fill("#threshold", "0.2")
    drag(page, [(left, top), (right, middle)])
    assert names(page) == upper


def test_a_category_of_the_legend_selects_its_cells_without_greyed_ones(file: Path, watch: Callable[..., Any]) -> None:
    watched = watch()
    page = watched.open(file)
    page.select_option("#column", "0")
    watched.wait("() => document.querySelectorAll('#legend button').length === 2")
    page.click("#legend button:has-text('left')")
    everything = len(names(page))
    assert page.inner_text("#legend button:has-text('left')") == f"left ({everything})"
    assert page.get_attribute("#legend button:has-text('left')", "aria-pressed") == "true"
    page.evaluate(
        "() => { const s = document.getElementById('threshold'); s.value = 0.25; s.dispatchEvent(new Event('input')); }"
    )
    assert 0 < len(names(page)) < everything


def test_everything_is_reached_by_the_keyboard(file: Path, watch: Callable[..., Any]) -> None:
    watched = watch()
    page = watched.open(file)
    order = []
    while not order or (order[-1][0] != "copy" and len(order) < 40):
        page.keyboard.press("Tab")
        order.append(page.evaluate(FOCUSED))
    reached = [name for name, _, _ in order]
    controls = ["column", "gene", "threshold", "pan", "zoom", "lasso", "select", "zoom-in", "zoom-out", "reset"]
    assert reached[: len(controls)] == controls
    assert reached[-1] == "copy"
    assert "select-kept" in reached
    assert all(label and visible for _, label, visible in order), order
    page.focus(".plot >> nth=0")
    span = "() => { const r = document.querySelector('.plot')._fullLayout.xaxis.range; return r[1] - r[0]; }"
    before = page.evaluate(span)
    page.keyboard.press("+")
    watched.wait(f"() => ({span})() < {before * 0.9}")
    page.keyboard.press("0")
    watched.wait(f"() => Math.abs(({span})() - {before}) < {before * 0.01}")
    page.focus("#select-kept")
    page.keyboard.press("Enter")
    assert len(names(page)) == 120


def test_names_are_shown_and_never_executed(
    layout_file: Callable[..., Path], tmp_path: Path, watch: Callable[..., Any]
) -> None:
    path = layout_file(
        tmp_path,
        types=(ATTACK, "right"),
        gene=ATTACK,
        cell=ATTACK,
        model={"slides": [ATTACK], "held_out": [ATTACK]},
        recipe={ATTACK: ATTACK},
    )
    odd = tmp_path / "<img src=x onerror=window.attacked=3>.h5ad"
    path.rename(odd)
    write_layout_page(odd, tmp_path / "page.html")
    watched = watch()
    page = watched.open(tmp_path / "page.html")
    page.select_option("#column", "0")
    watched.wait("() => document.querySelectorAll('#legend button').length === 2")
    page.click("#select-kept")
    page.fill("#gene", ATTACK)
    page.press("#gene", "Enter")
    watched.wait("() => document.getElementById('legend').textContent.includes('log1p')")
    assert ATTACK in page.input_value("#names")
    assert ATTACK in page.inner_text("#legend")
    assert "<img src=x onerror=window.attacked=3>" in page.inner_text("h1")
    assert page.evaluate("() => window.attacked") is None
    assert page.locator("img").count() == 0
    # Even markup that got in would not run.
    page.evaluate(
        "() => { document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.attacked = 4\">'); }"
    )
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.attacked") is None
    assert all("Content Security Policy" in text for text in watched.complaints)
    watched.complaints.clear()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(file: Path, watch: Callable[..., Any], width: int) -> None:
    page = watch(width).open(file)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    boxes = [page.locator(".plot").nth(k).bounding_box() for k in (0, 1)]
    assert all(box["width"] > 0.4 * min(width, 1180) and box["height"] > 200 for box in boxes)
    assert (boxes[0]["y"] == boxes[1]["y"]) == (width > 700)
    buttons = page.locator("button:visible").all()
    assert all((box := button.bounding_box()) and box["x"] + box["width"] <= width for button in buttons)
