from __future__ import annotations

import base64
import zlib

import numpy as np
import pandas as pd

from pyg_gears.report.page_columns import page_columns


def codes(column: dict) -> list[int]:
    return list(zlib.decompress(base64.b64decode(column["data"])))


def test_kinds_of_columns() -> None:
    n = 300
    obs = pd.DataFrame(
        {
            "type": pd.Categorical(["b"] * 200 + ["a"] * 99 + [None], categories=["a", "b", "unused"]),
            "flag": np.arange(n) < 10,
            "cluster": np.arange(n) % 3,
            "amount": np.arange(n),
            "score": np.linspace(0, 1, n),
            "nullable": pd.array([1, None] * (n // 2), dtype="Int64"),
            "barcode": [f"x{i}" for i in range(n)],
            "gears_confidence": 0.5,
        },
        index=[str(i) for i in range(n)],
    )
    found = page_columns(obs, 10**6, skip=("gears_confidence",))
    kinds = {column["name"]: column["kind"] for column in found.columns}
    assert kinds == {
        "type": "category",
        "flag": "category",
        "cluster": "category",
        "amount": "number",
        "score": "number",
        "nullable": "category",
    }
    assert list(found.left_out) == ["barcode"]
    kind = found.columns[0]
    assert kind["labels"] == ["b", "a"]
    assert codes(kind) == [0] * 200 + [1] * 99 + [255]


def test_columns_beyond_the_budget_are_named() -> None:
    obs = pd.DataFrame({"small": ["a", "b"] * 500, "large": np.random.default_rng(0).random(1000)})
    found = page_columns(obs, 1500)
    assert [column["name"] for column in found.columns] == ["small"]
    assert found.left_out == {"large": "no room on the page"}
