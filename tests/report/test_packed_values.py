from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import pytest

from pyg_gears.report.packed_values import packed_codes, packed_names, packed_numbers


def unpacked(column: dict[str, Any]) -> np.ndarray:
    """What page/unpack.js does."""
    raw = zlib.decompress(base64.b64decode(column["data"]))
    codes = np.frombuffer(raw, dtype="<u2" if column["bits"] == 16 else "u1")
    missing = 2 ** column["bits"] - 1
    step = (column["high"] / 2 - column["low"] / 2) / column["steps"]
    return np.where(codes == missing, np.nan, 2 * (column["low"] / 2 + codes * step))


@pytest.mark.parametrize(("bits", "steps", "expected"), [(8, None, 254), (16, None, 65534), (8, 60, 60)])
def test_numbers_come_back_to_half_a_step(bits: int, steps: int | None, expected: int) -> None:
    values = np.random.default_rng(0).normal(size=500) * 40 - 7
    back = unpacked(packed_numbers(values, bits, steps))
    step = np.ptp(values) / expected
    assert np.abs(back - values).max() <= step / 2 * (1 + 1e-9)
    assert np.abs(back - values).max() > step / 10


def test_missing_values_stay_missing_and_zero_stays_zero() -> None:
    back = unpacked(packed_numbers(np.array([0.0, np.nan, 3.0, np.inf, -np.inf]), 8))
    np.testing.assert_array_equal(np.isnan(back), [False, True, False, True, True])
    assert back[0] == 0
    assert back[2] == 3


@pytest.mark.parametrize("values", [[2.0, 2.0], [np.nan, np.nan], [-1.7e308, 1.7e308]])
def test_constant_empty_and_huge_ranges_give_numbers_of_json(values: list[float]) -> None:
    column = packed_numbers(np.array(values))
    json.dumps(column, allow_nan=False)
    np.testing.assert_allclose(unpacked(column), values)


def test_names_of_any_characters_come_back() -> None:
    names = ["a\nb", "</script>", "\u03b2-actin", 'q"', "\ud800"]
    assert json.loads(zlib.decompress(base64.b64decode(packed_names(names)))) == names


def test_codes_are_little_endian() -> None:
    column = packed_codes(np.array([1, 258]), 16)
    assert zlib.decompress(base64.b64decode(column["data"])) == bytes([1, 0, 2, 1])
