"""The processes that a launcher (torchrun, SLURM) started as one run: which one this is, and how they share results.

Whatever decides something, reads or writes a file, or speaks is done by the first process; the others are told the result.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from pyg_gears.errors import expect

__all__ = [
    "Launch",
    "OtherProcessFailed",
    "Ranks",
    "by_first",
    "current_ranks",
    "deal",
    "find_launch",
    "gather",
    "join_ranks",
]

T = TypeVar("T")

_alone: ContextVar[bool] = ContextVar("alone", default=False)
PATIENCE = timedelta(days=7)
"""How long a process waits for another: the first one may be busy for hours where the others have nothing to do."""


@dataclass(frozen=True)
class Ranks:
    """Number of this process, and how many there are."""

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that reads, writes and speaks."""
        return self.number == 0


@dataclass(frozen=True)
class Launch:
    """What a launcher tells a process: its number, the number of processes, and its number on this machine."""

    number: int
    count: int
    local: int


class OtherProcessFailed(RuntimeError):
    """Another process of the run could not do what this one waited for; it tells why."""


def find_launch(environment: Mapping[str, str]) -> Launch | None:
    """What a launcher left in the environment of a process; None for one that was started on its own.

    torchrun sets ``RANK``, ``WORLD_SIZE`` and ``LOCAL_RANK``; srun sets ``SLURM_PROCID``, ``SLURM_STEP_NUM_TASKS`` and
    ``SLURM_LOCALID``. A batch script without srun is one process, however many tasks its job has.

    Args:
        environment: The variables of the process.

    Raises:
        InputError: for a number that is none, or that is out of range.
    """
    for number, count, local in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ):
        if number in environment and count in environment:
            words = [environment[number], environment[count], environment.get(local, "0")]
            expect(
                all(word.isdecimal() for word in words) and int(words[0]) < int(words[1]),
                f"expected a process's number in {number} below their number in {count}, found {words[0]!r} and "
                f"{words[1]!r}; start it by torchrun or srun.",
            )
            found = Launch(*map(int, words))
            return found if found.count > 1 else None
    return None


def join_ranks(*, cuda: bool) -> Ranks:
    """Meet the other processes of the launcher, once, and tell which one this is.

    A group of processes that is there already, made by the caller, is taken as it is.

    Args:
        cuda: Whether gradients lie on GPUs, where they are averaged by NCCL. All else goes through gloo.

    Raises:
        InputError: see :func:`find_launch`.
    """
    import torch.distributed as dist

    launch = find_launch(os.environ)
    if launch is not None and not dist.is_initialized():
        method = "env://" if {"RANK", "WORLD_SIZE"} <= set(os.environ) else f"tcp://{_slurm_address(os.environ)}"
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            init_method=method,
            rank=launch.number,
            world_size=launch.count,
            timeout=PATIENCE,
        )
        atexit.register(_leave)
    return current_ranks()


def _slurm_address(environment: Mapping[str, str]) -> str:
    """Where the processes of a job step meet: on its first machine, at a port that follows from the job's number."""
    from lightning.fabric.plugins.environments import SLURMEnvironment

    machine = SLURMEnvironment.resolve_root_node_address(environment.get("SLURM_STEP_NODELIST", "127.0.0.1"))
    port = 15000 + int(environment.get("SLURM_JOB_ID", "0")[-4:])
    return f"{environment.get('MASTER_ADDR', machine)}:{environment.get('MASTER_PORT', port)}"


def _leave() -> None:
    import torch.distributed as dist

    with suppress(Exception):
        dist.destroy_process_group()


def current_ranks() -> Ranks:
    """Which of the processes that have met this one is; one of one before they have, and inside :func:`by_first`."""
    dist = sys.modules.get("torch.distributed")  # whoever has met others has loaded it
    if dist is None or _alone.get() or not dist.is_available() or not dist.is_initialized():
        return Ranks()
    return Ranks(dist.get_rank(), dist.get_world_size())


def by_first(work: Callable[[], T]) -> T:
    """Let the first process do something alone, and tell the others its result.

    Args:
        work: What to do; it must not need the other processes. Its result is pickled.

    Raises:
        OtherProcessFailed: in the other processes, when the first one raised an error.
    """
    ranks = current_ranks()
    if ranks.count == 1:
        return work()
    result: T = _share(_attempt(work) if ranks.first else None, 0)
    return result


def deal(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The results of all tasks, in their order, in every process; each was done by one process, by turns.

    Args:
        tasks: What to do, the same in every process.

    Raises:
        OtherProcessFailed: when another process raised an error.
    """
    ranks = current_ranks()
    if ranks.count == 1:
        for task in tasks:
            yield task()
        return
    waiting = iter(tasks)
    while turn := list(islice(waiting, ranks.count)):
        mine = _attempt(turn[ranks.number]) if ranks.number < len(turn) else None
        for owner in range(len(turn)):
            yield _share(mine if owner == ranks.number else None, owner)


def gather(value: T) -> list[T]:
    """What every process has, in the order of their numbers, in all of them."""
    import torch.distributed as dist

    ranks = current_ranks()
    if ranks.count == 1:
        return [value]
    found: list[Any] = [None] * ranks.count
    dist.all_gather_object(found, value)
    return found


class _Outcome(NamedTuple):
    value: Any
    error: Exception | None


def _attempt(work: Callable[[], T]) -> _Outcome:
    """Do something as one process of one."""
    token = _alone.set(True)
    try:
        return _Outcome(work(), None)
    except Exception as error:
        return _Outcome(None, error)
    finally:
        _alone.reset(token)


def _share(mine: _Outcome | None, owner: int) -> Any:
    """What came of the work of a process, in all processes; ``mine`` where this is the one."""
    import torch.distributed as dist

    failed = mine is not None and mine.error is not None
    told = [None if mine is None else (mine.value, repr(mine.error) if failed else None)]
    dist.broadcast_object_list(told, src=owner)
    if mine is not None and mine.error is not None:
        raise mine.error
    assert told[0] is not None
    value, error = told[0]
    if error is not None:
        raise OtherProcessFailed(f"process {owner} of this run failed: {error}")
    return value if mine is None else mine.value
