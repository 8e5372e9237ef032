"""Where networks run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyg_gears.errors import expect

if TYPE_CHECKING:
    import torch


def check_device_name(name: str) -> None:
    """Check the name of a device without loading torch.

    Raises:
        InputError: for another name than auto, cpu, cuda or cuda:N.
    """
    expect(
        re.fullmatch(r"auto|cpu(:0)?|cuda(:\d+)?", name) is not None,
        f"expected a device among auto, cpu and cuda, found {name!r}; name one.",
    )


def find_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" is the first CUDA device, or the CPU where there is none.

    Raises:
        InputError: for a name that torch does not know, or a device that is not there.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    expect(
        device is not None and device.type in ("cpu", "cuda"),
        f"expected a device among auto, cpu and cuda, found {str(name)!r}; name one.",
    )
    assert device is not None
    expect(
        device.type != "cuda" or torch.cuda.is_available(),
        f"expected a CUDA device for {str(name)!r}, found none; use auto or cpu.",
    )
    return device
