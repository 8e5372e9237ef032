"""The door for numbers that must be known: no NaN, no infinity."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from pyg_gears.errors import InputError
from pyg_gears.geometry.known_values import values_are_known


def check_finite(**values: Tensor | np.ndarray) -> None:
    """Check that no value is NaN or infinite; tensors are looked at on the CPU only.

    Args:
        values: Tensors or arrays, by the names of their arguments.

    Raises:
        InputError: when one is.

    >>> check_finite(pos=np.zeros((3, 2)))
    """
    for name, found in values.items():
        if isinstance(found, Tensor):
            good = not values_are_known(found) or bool(found.isfinite().all())
        else:
            good = bool(np.isfinite(found).all())
        if not good:
            raise InputError(f"expected finite values in {name}, found NaN or infinity; drop or correct them.")
