from __future__ import annotations

import gc

from pyg_gears.cli.threads import OBJECTS, choose_threads, collect_seldom


def test_one_thread_that_sleeps_unless_the_user_says_otherwise() -> None:
    found: dict[str, str] = {}
    choose_threads(found)
    assert found == {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    chosen = {"OMP_NUM_THREADS": "8", "OMP_WAIT_POLICY": "active"}
    choose_threads(chosen)
    assert chosen == {"OMP_NUM_THREADS": "8", "OMP_WAIT_POLICY": "active"}


def test_processes_of_a_launcher_do_not_repeat_advice_of_torch() -> None:
    for launcher in ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        found = {launcher: "2"}
        choose_threads(found)
        assert found["TORCH_CPP_LOG_LEVEL"] == "ERROR"


def test_garbage_is_looked_for_seldom() -> None:
    before = gc.get_threshold()
    try:
        collect_seldom()
        assert gc.get_threshold()[0] == OBJECTS
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
