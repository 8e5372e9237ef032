from __future__ import annotations

import multiprocessing
import os
import time

import pytest
import torch

from pyg_gears.lab.experiments.workers import workers


def state(number: int) -> tuple[int, int, int, str | None]:
    return number, os.getpid(), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


def fail() -> None:
    raise ValueError("no luck")


def test_one_process_works_here_with_one_thread() -> None:
    before = torch.get_num_threads()
    with workers(1) as pool:
        assert pool.submit(state, 3).result()[:3] == (3, os.getpid(), 1)
        with pytest.raises(ValueError, match="no luck"):
            pool.submit(fail).result()
    assert torch.get_num_threads() == before


def test_processes_have_one_thread_each_and_end_at_a_stop(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    others = set(multiprocessing.active_children())
    found = []

    def stop_at_work() -> None:
        with workers(2) as pool:
            calls = [(os.getenv, "OMP_NUM_THREADS"), (torch.get_num_threads,), (os.getpid,)]
            found.extend(pool.submit(*call).result() for call in calls)
            pool.submit(time.sleep, 60)
            raise KeyboardInterrupt

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        stop_at_work()
    assert time.perf_counter() - start < 40
    assert found[:2] == ["1", 1]
    assert found[2] != os.getpid()
    assert set(multiprocessing.active_children()) <= others
    assert "OMP_NUM_THREADS" not in os.environ
