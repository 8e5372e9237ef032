"""The shipped pair, described once."""

from __future__ import annotations

import pytest

from pyg_gears.transfer import describe, draw_boxes, draw_curves, picture_graph, transfer


@pytest.fixture(scope="session")
def curves():
    return picture_graph(draw_curves())


@pytest.fixture(scope="session")
def boxes():
    return picture_graph(draw_boxes())


@pytest.fixture(scope="session")
def described(curves, boxes):
    return describe(curves, "target"), describe(boxes, "sample")


@pytest.fixture(scope="session")
def crossed(curves, boxes):
    """Boxes and arrows on the curves."""
    return transfer(curves, boxes)
