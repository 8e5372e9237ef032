from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyg_gears.cli import main
from pyg_gears.cli.stopping import EXIT_CODES
from pyg_gears.data import write_simulation
from tests.campaign.preloaded import Preloaded

WRITER = """
import os, sys, time
from pyg_gears.cli.stopping import signals_stop
from pyg_gears.data.whole_file import whole_file
def wait():
    # In steps: Python answers a signal that comes just before a sleep begins only when the sleep is over.
    for _ in range(600):
        time.sleep(0.1)
with signals_stop(own_process=True), whole_file(sys.argv[1]) as part:
    part.write_text("half")
    if len(sys.argv) > 2 and os.fork() == 0:
        # In one write, so that the two processes never share a line. A signal during the fork itself would be lost.
        os.write(1, b"forked\\n")
        wait()
    os.write(1, b"ready\\n")
    wait()
"""


def writer(*words: object) -> subprocess.Popen[str]:
    """A process in the middle of writing a file."""
    command = [sys.executable, "-c", WRITER, *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    expected = {"ready\n", *(f"{word}ed\n" for word in words[1:])}
    assert {process.stdout.readline() for _ in expected} == expected
    return process


@pytest.fixture(scope="module")
def commands():
    with Preloaded() as running:
        yield running


@pytest.mark.parametrize(("first", "second"), [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_a_signal_ends_with_one_line_and_no_unfinished_file_whatever_follows(tmp_path, first, second) -> None:
    process = writer(tmp_path / "file.txt")
    process.send_signal(first)
    process.send_signal(second)
    _, said = process.communicate(timeout=60)
    # Two signals that wait at the same time are delivered in an order of the kernel's own.
    assert process.returncode in EXIT_CODES.values()
    assert said == "pyg-gears: stopped; finished work is kept: run the same command again\n"
    assert not list(tmp_path.iterdir())


def test_a_fork_that_is_ended_leaves_the_files_of_the_process_it_came_from(tmp_path) -> None:
    process = writer(tmp_path / "file.txt", "fork")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    assert os.kill(process.pid, 0) is None
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said.count("stopped") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stop", list(EXIT_CODES))
@pytest.mark.parametrize("command", ["simulate", "demo", "batch-effect"])
def test_every_command_ends_alike(commands, tmp_path, command, stop) -> None:
    words = {
        "simulate": ["simulate", "--out", "s", "--cells", 200000, "--slides", 3],
        "demo": ["demo", "--out", "d"],
        "batch-effect": ["lab", "batch-effect", "data/slide_0.h5ad", "data/slide_1.h5ad", "--out", "b"],
    }[command]
    folder = tmp_path / "here"
    folder.mkdir()
    write_simulation(folder / "data", slides=2, cells=40, spots=200)
    ended = commands.run(words, folder, stop, 0.7)
    assert ended.code == EXIT_CODES[stop], ended.said
    assert [line for line in ended.said.splitlines() if line.startswith("pyg-gears: stopped;")] == [
        "pyg-gears: stopped; finished work is kept: run the same command again"
    ]
    assert "Traceback" not in ended.said
    assert not list(folder.rglob("*.part*"))


def test_the_handlers_of_a_caller_come_back(tmp_path) -> None:
    before = [signal.getsignal(number) for number in EXIT_CODES]
    with pytest.raises(SystemExit):
        main(["simulate", "--out", str(tmp_path), "--cells", "-1"])
    assert [signal.getsignal(number) for number in EXIT_CODES] == before


CLOSED = """
import sys
from pathlib import Path
from pyg_gears.cli import main
where = sys.argv.pop()
try:
    main()
finally:
    Path(where).write_text(f"{sys.stdout.fileno()} {sys.stderr.fileno()} {sys.stderr.isatty()}")
"""


def test_a_command_whose_outputs_are_closed_keeps_their_numbers_from_the_files_that_it_opens(tmp_path) -> None:
    words = [sys.executable, "-c", CLOSED, "--version", str(tmp_path / "found")]
    ended = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&- 2>&-', *words], timeout=120, check=False)
    assert (ended.returncode, (tmp_path / "found").read_text()) == (0, "1 2 False")
