"""Where networks run."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

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
    """Meet the other processes of the launcher, if one has started this process.

    Without one, torch is loaded only where a CUDA device is named: whether it is there is to be known before files are read.

    Args:
        device: Name of the device that this process will train on.

    Raises:
        InputError: see :func:`~pyg_gears.ranks.find_launch` and :func:`find_device`.
    """
    if find_launch(os.environ) is None:
        if device.startswith("cuda"):
            find_device(device)
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
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    expect(
        device.type != "cuda" or (device.index or 0) < count,
        f"expected one of the {count} CUDA devices from cuda:0 on, found {str(name)!r}; name one of them, or auto.",
    )
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # see repeatable; read when cuBLAS is loaded
    launch = find_launch(os.environ)
    if str(device) == "cuda" and launch is not None:
        return torch.device("cuda", launch.local % count)
    return device


@contextmanager
def own_defaults() -> Iterator[None]:
    """Inside it torch makes float32 tensors on the CPU by default and records gradients, whatever the caller has chosen."""
    import torch

    dtype = torch.get_default_dtype()
    elsewhere = torch.get_default_device().type != "cpu"
    torch.set_default_dtype(torch.float32)
    try:
        # Only where it is needed: a device context slows every call of torch.
        on_cpu = torch.device("cpu") if elsewhere else nullcontext()
        with on_cpu, torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def repeatable(device: torch.device | str) -> Iterator[None]:
    """Inside it the same numbers give the same bits on a GPU too; on the CPU they do anyway.

    Threads of a GPU add to one place in any order. torch has slower sums in a fixed order, and this asks for them. Operations
    that have none run as they are: the last digits of ``generator_diffusion`` may differ. Memory that torch reserves is not
    filled, as torch would do with this setting, once per tensor: a test shows for ``ipa_lite`` and ``gate_egnn`` that a training
    step reads only what has been written.

    Args:
        device: Where networks run; without effect unless it is a CUDA device.
    """
    import torch
    import torch.utils.deterministic

    if torch.device(device).type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # its attribute is unknown to type checkers
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation")
            warnings.filterwarnings("ignore", message=".*defaults to a non-deterministic algorithm")
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filled
