from __future__ import annotations

from typing import Any

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.geometry import checked_coordinates, gauge_fix


def test_half_precision_becomes_float32_and_the_rest_stays() -> None:
    pos = torch.randn(5, 2)
    assert checked_coordinates(pos) is pos
    assert checked_coordinates(pos.half()).dtype == checked_coordinates(pos.bfloat16()).dtype == torch.float32
    assert checked_coordinates(pos.double()).dtype == torch.float64
    assert checked_coordinates(pos * torch.nan).isnan().all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.ones(3), r"shape \(n, d\) in pos, found a torch\.float32 tensor of shape \(3,\)"),
        (torch.ones(3, 2, dtype=torch.long), r"in pos, found a torch\.int64 tensor of shape \(3, 2\)"),
        (None, "in pos, found none; convert"),
        ([[0.0, 1.0]], "in pos, found list"),
        (torch.full((3, 2), 1e25), r"whose squares fit torch\.float32, found up to 1e\+25; take another unit"),
    ],
)
def test_no_coordinates(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_coordinates(wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(InputError, match="finite coordinates in pos, found NaN or infinity; drop those nodes"):
        checked_coordinates(torch.tensor([[0.0, value]]), finite=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_gauge_in_half_precision(dtype: torch.dtype) -> None:
    """A lone node, coinciding nodes, and coordinates whose squares half precision does not hold."""
    pos = torch.tensor([[5.0, 1.0], [2.0, 2.0], [2.0, 2.0], [900.0, 0.0], [-900.0, 100.0]], dtype=dtype)
    batch = torch.tensor([0, 1, 1, 2, 2])
    found = gauge_fix(pos, batch)
    assert found.dtype == dtype
    assert (found[:3] == 0).all()
    torch.testing.assert_close(found.float(), gauge_fix(pos.float(), batch), atol=1e-2, rtol=1e-2)
