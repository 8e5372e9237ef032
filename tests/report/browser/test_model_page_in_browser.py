from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyg_gears import FittedGears
from pyg_gears.data import Slide
from pyg_gears.report.model_page import write_model_page

pytest.importorskip("plotly")


@pytest.mark.parametrize("width", [1280, 390])
def test_curves_calibration_and_the_held_out_slide_are_drawn(
    fitted_model: tuple[Path, FittedGears, list[Slide]], watch: Callable[..., Any], width: int
) -> None:
    watched = watch(width)
    page = watched.open(write_model_page(*fitted_model))
    assert page.locator(".plot").count() == 2
    for name in ("loss", "energy", "gate", "calibration", "reached"):
        assert page.locator(f"#{name} .scatterlayer .trace").count() >= 1, name
    page.select_option("#column", "0")
    watched.wait("() => document.getElementById('legend').textContent.includes('rank correlation reached')")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
