"""The door for coordinates: their type, their shape, and values that can be squared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyg_gears.errors import InputError, described
from pyg_gears.geometry.known_values import values_are_known


def check_coordinates(pos: Any, name: str = "pos") -> None:
    """Raise unless these are float coordinates (n, d); their values are not looked at.

    Raises:
        InputError: for another type or shape.
    """
    if not isinstance(pos, Tensor) or not pos.is_floating_point() or pos.dim() != 2:
        raise InputError(
            f"expected float coordinates of shape (n, d) in {name}, found {described(pos)}; convert them first."
        )


def checked_coordinates(pos: Any, name: str = "pos", *, finite: bool = False) -> Tensor:
    """Float coordinates (n, d); half precision becomes float32, which holds the small offsets of targets and losses.

    Values are looked at on the CPU only: on a GPU that would wait for the device.

    Args:
        pos: What the caller gave.
        name: What it is called in an error.
        finite: Whether NaN and infinity are refused too; otherwise they pass, so that training shows its divergence.

    Raises:
        InputError: for another type or shape, or for values whose squares leave the float type.
    """
    check_coordinates(pos, name)
    pos = pos.float() if pos.dtype in (torch.float16, torch.bfloat16) else pos
    if not values_are_known(pos) or pos.numel() == 0:
        return pos
    largest = float(pos.detach().abs().max())
    if finite and not largest < float("inf"):
        raise InputError(f"expected finite coordinates in {name}, found NaN or infinity; drop those nodes.")
    # The sum of squares over all nodes must fit.
    if (torch.finfo(pos.dtype).max / pos.numel()) ** 0.5 / 4 < largest < float("inf"):
        raise InputError(
            f"expected coordinates in {name} whose squares fit {pos.dtype}, found up to {largest:.3g}; "
            "take another unit."
        )
    return pos
