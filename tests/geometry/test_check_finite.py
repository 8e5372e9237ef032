from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.geometry import morton_order, nearest_neighbors, similarity_procrustes
from pyg_gears.geometry.check_finite import check_finite


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_what_is_unknown_is_named(bad: float) -> None:
    sound = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    broken = sound.clone()
    broken[3, 1] = bad
    for name, call in (
        ("pos", lambda: nearest_neighbors(broken, 3)),
        ("pos", lambda: morton_order(broken.numpy())),
        ("one", lambda: check_finite(other=sound, one=broken)),
    ):
        with pytest.raises(
            InputError, match=f"expected finite values in {name}, found NaN or infinity; drop or correct"
        ):
            call()


def test_whole_numbers_nothing_and_transformed_tensors_pass() -> None:
    check_finite(a=np.zeros(0), b=np.arange(3), c=torch.zeros(0))

    def moved(x: Tensor) -> Tensor:
        return similarity_procrustes(x, torch.eye(3, 2), allow_reflection=True).disparity

    assert torch.func.grad(moved)(torch.eye(3, 2) + 1).shape == (3, 2)
