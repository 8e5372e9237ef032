from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.transforms import BaseTransform, Compose, RandomJitter

from pyg_gears.configuration import Configuration
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.errors import InputError


class Settings(Configuration):
    a: int = 1
    b: float = 2.0


class Silent(BaseTransform):
    """A transform whose repr tells no parameter."""

    def __init__(self, k: int) -> None:
        self.k = k

    def forward(self, data: object) -> object:
        return data

    def __repr__(self) -> str:
        return "Silent()"


def test_equal_content_equal_key() -> None:
    made = [
        fingerprint(Settings(), Compose([Silent(3)]), [torch.arange(3), np.ones(2)], {"x": 1, "y": None})
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 64
    assert fingerprint({"x": 1, "y": 2}) == fingerprint({"y": 2, "x": 1})
    assert fingerprint(np.int64(3)) == fingerprint(3)


def test_any_difference_changes_the_key() -> None:
    values = [
        1, 1.0, "1", True, None, [1], (1,), [1, [2]], [1, 2], [[1], 2], {"a": 1}, Settings(), Settings(a=2),
        Silent(3), Silent(4), Compose([Silent(3)]), RandomJitter(0.1), RandomJitter(0.2),
        np.arange(4), np.arange(4.0), np.arange(4).reshape(2, 2), np.arange(4, dtype=np.int32),
        torch.zeros(2), torch.tensor([0.0, 1e-30]), torch.zeros(2, dtype=torch.bool), "",
    ]  # fmt: skip
    keys = [fingerprint(value) for value in values]
    assert len(set(keys)) == len(values)
    assert fingerprint(1, 2) != fingerprint(12)
    assert fingerprint("a", "b") != fingerprint("ab")


def test_another_version_is_another_key(monkeypatch) -> None:
    before = fingerprint("a")
    monkeypatch.setattr("pyg_gears.data.fingerprint.VERSION", 99)
    assert fingerprint("a") != before


def test_what_has_no_content_is_refused() -> None:
    for value in (lambda data: data, object(), np.array([object()])):
        with pytest.raises(InputError, match=r"in a cached recipe, found .*; write it as a BaseTransform"):
            fingerprint([value])
