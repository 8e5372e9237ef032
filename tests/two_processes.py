"""A function in two processes at once, as a launcher starts them."""

from __future__ import annotations

import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

PATIENCE = 900  # seconds; beside other work a process may get a twentieth of a core
PRELOADED = ["pyg_gears.gears", "pyg_gears.cli.command_line", "lightning", "pandas"]


def in_two_processes(work: Callable[..., Any], *arguments: Any, launcher: str = "torchrun") -> list[Any]:
    """What a function of a test module returns in each of two processes, which find a launcher's variables in their environment.

    The processes are forks of one that has loaded everything and done nothing.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends, processes = [], []
    for number in range(2):
        here, there = context.Pipe()
        environment = _variables(launcher, number, port)
        processes.append(context.Process(target=_start, args=(there, environment, work, arguments)))
        # A fork cannot use a GPU that Lightning has asked for in its parent.
        with mock.patch.dict(os.environ, {"CUDA_VISIBLE_DEVICES": ""}):
            processes[-1].start()
        there.close()
        ends.append(here)
    try:
        found = [end.recv() if end.poll(PATIENCE) else (True, "a process waits for ever") for end in ends]
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
    errors = [value for failed, value in found if failed]
    assert not errors, "\n".join(errors)
    return [value for _, value in found]


def _variables(launcher: str, number: int, port: int) -> dict[str, str]:
    if launcher == "torchrun":
        return {
            "RANK": str(number),
            "LOCAL_RANK": str(number),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    return {
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": str(number),
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NODELIST": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _start(end: Connection, environment: dict[str, str], work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ.update(environment)
    try:
        end.send((False, work(*arguments)))
    except BaseException:
        end.send((True, traceback.format_exc()))
