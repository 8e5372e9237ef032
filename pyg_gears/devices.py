"""Where networks run."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pyg_gears.errors import expect
from pyg_gears.ranks import Ranks, find_launch, join_ranks

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


def meet_processes(device: str) -> Ranks:
    """Meet the other processes of the launcher, if one has started this process; without one, torch is not loaded.

    Args:
        device: Name of the device that this process will train on.

    Raises:
        InputError: see :func:`~pyg_gears.ranks.find_launch` and :func:`find_device`.
    """
    if find_launch(os.environ) is None:
        return Ranks()
    return join_ranks(cuda=find_device(device).type == "cuda")


def find_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; "auto" is a CUDA device, or the CPU where there is none.

    Of the processes of one run on a machine (:mod:`pyg_gears.ranks`) each takes a CUDA device of its own.

    Raises:
        InputError: for a name that torch does not know, or a device that is not there.
    """
    import torch

    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
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
    launch = find_launch(os.environ)
    if str(device) == "cuda" and launch is not None:
        return torch.device("cuda", launch.local % torch.cuda.device_count())
    return device
