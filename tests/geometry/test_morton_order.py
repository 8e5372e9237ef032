from __future__ import annotations

import numpy as np

from pyg_gears.geometry import morton_order


def test_morton_order_slow_statement() -> None:
    pos = np.random.default_rng(0).random((50, 2))
    low, extent = pos.min(axis=0), np.ptp(pos, axis=0).max()

    def code(row: np.ndarray) -> int:
        x, y = (min(int((row[a] - low[a]) / extent * 1024), 1023) for a in (0, 1))
        return int("".join(b + a for a, b in zip(f"{x:010b}", f"{y:010b}", strict=True)), 2)

    assert morton_order(pos).tolist() == sorted(range(50), key=lambda i: code(pos[i]))


def test_morton_neighbours_are_near() -> None:
    pos = np.random.default_rng(0).random((1000, 2))
    step = np.linalg.norm(np.diff(pos[morton_order(pos)], axis=0), axis=1)
    assert step.mean() < 0.1


def test_no_points_have_an_empty_order() -> None:
    assert morton_order(np.zeros((0, 2))).tolist() == []
