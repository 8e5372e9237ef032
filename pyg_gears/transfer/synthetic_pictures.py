"""Two pictures that the package draws itself: connected curves, and boxes and arrows that do not touch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect

COLORS = {
    "blue": (0.0, 0.27, 0.55),
    "red": (0.75, 0.2, 0.1),
    "green": (0.0, 0.45, 0.3),
    "black": (0.1, 0.1, 0.1),
}
LEAST_SIDE = 96
"""Pixels of a side below which lines run into each other."""


def draw_curves(side: int = 128) -> Float[Tensor, "h w 3"]:
    """Connected curves on white paper: seven waves, joined by rungs.

    Drawn so that the pieces where the picture's own activation is weak are fifteen, as many as the objects of
    :func:`draw_boxes`.

    Args:
        side: Height and width in pixels, at least 96.

    Returns:
        Values in [0, 1], shape (side, side, 3).

    Raises:
        InputError: for a smaller side.
    """
    paper, u = _paper(side), np.linspace(0.05, 0.95, 120)
    waves = [0.08 + 0.14 * row + 0.2 / 7 * np.sin((12 + 2 * row) * u + 1.7 * row) for row in range(7)]
    for row, wave in enumerate(waves):
        _stroke(paper, np.stack([u, wave], axis=1), "green" if row % 2 else "blue")
    for gap in range(6):
        for column in (12 + 7 * gap, 70 + (13 * gap) % 40):
            _stroke(paper, np.array([[u[i], waves[gap + j][i]] for j, i in enumerate((column, column + 4))]), "red")
    return torch.from_numpy(paper)


def draw_boxes(side: int = 128) -> Float[Tensor, "h w 3"]:
    """Boxes and arrows on white paper, fifteen in all, none of which touches another.

    Args:
        side: Height and width in pixels, at least 96.

    Returns:
        Values in [0, 1], shape (side, side, 3).

    Raises:
        InputError: for a smaller side.
    """
    paper = _paper(side)
    boxes = [(0.16, 0.13, 0.2, 0.1), (0.52, 0.16, 0.14, 0.16), (0.85, 0.13, 0.18, 0.12), (0.14, 0.5, 0.14, 0.2)]
    boxes += [(0.5, 0.52, 0.22, 0.12), (0.86, 0.54, 0.12, 0.16), (0.2, 0.87, 0.24, 0.1), (0.6, 0.86, 0.14, 0.14)]
    for number, (x, y, w, h) in enumerate(boxes):
        corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) / 2
        _stroke(paper, corner * (w, h) + (x, y), "blue" if number % 2 else "black")
    arrows = [((0.3, 0.15), (0.42, 0.16)), ((0.63, 0.14), (0.73, 0.11)), ((0.15, 0.22), (0.14, 0.36))]
    arrows += [((0.52, 0.27), (0.5, 0.43)), ((0.85, 0.22), (0.86, 0.42)), ((0.25, 0.64), (0.3, 0.78))]
    arrows += [((0.84, 0.68), (0.78, 0.92))]
    for number, (start, end) in enumerate(arrows):
        _arrow(paper, np.array(start), np.array(end), "red" if number % 2 else "green")
    return torch.from_numpy(paper)


def _paper(side: int) -> np.ndarray:
    expect(side >= LEAST_SIDE, f"expected pictures of at least {LEAST_SIDE} pixels a side, found {side}; raise side.")
    return np.ones((side, side, 3))


def _stroke(paper: np.ndarray, line: np.ndarray, color: str) -> None:
    """Paint a polyline, given in units of the paper, two pixels wide."""
    side = len(paper)
    points = line * side
    row, column = np.mgrid[:side, :side]
    pixel = np.stack([column, row], axis=-1) + 0.5
    for start, end in pairwise(points):
        low, high = np.minimum(start, end).astype(int) - 3, np.maximum(start, end).astype(int) + 4
        window = (slice(max(low[1], 0), high[1]), slice(max(low[0], 0), high[0]))
        along, offset = end - start, pixel[window] - start
        share = np.clip((offset @ along) / max(along @ along, 1e-12), 0, 1)
        near = np.linalg.norm(offset - share[..., None] * along, axis=-1) < 1.0
        paper[window][near] = COLORS[color]


def _arrow(paper: np.ndarray, start: np.ndarray, end: np.ndarray, color: str) -> None:
    back = (start - end) / np.linalg.norm(start - end) * 0.05
    _stroke(paper, np.stack([start, end]), color)
    for angle in (0.6, -0.6):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        _stroke(paper, np.stack([end, end + turn @ back]), color)
