from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.geometry.checked_sizes import check_sizes


def test_whole_numbers_above_0_of_any_kind() -> None:
    check_sizes(channels=1, heads=np.int32(4))


@pytest.mark.parametrize("size", [0, -3, 2.0, True, "3", None])
def test_anything_else_is_refused(size: object) -> None:
    with pytest.raises(InputError, match=r"expected k to be a whole number above 0, found .*; give one\.$"):
        check_sizes(channels=1, k=size)


def test_lazy_sizes_are_told_apart() -> None:
    with pytest.raises(InputError, match="found -1; give their number, which is not taken from the first input"):
        check_sizes(channels=-1)
