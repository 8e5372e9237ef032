"""The command line in a process that has loaded everything: a command starts in milliseconds and can be killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_SERVER = """
import json, os, sys
import lightning
import pyg_gears.gears, pyg_gears.cli.command_line, pyg_gears.report
from pyg_gears.cli import main
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.chdir(job["folder"])
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["pyg-gears", *job["words"]]
        code = 70
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Ended(NamedTuple):
    """How a command ended: exit code (negative: by that signal), stderr, seconds."""

    code: int
    said: str
    seconds: float


class Preloaded:
    """Commands, each in a fork of a process that has everything loaded."""

    def __enter__(self) -> Self:
        package = Path(__file__).resolve().parents[2]
        # A fork cannot use a GPU that Lightning has asked for in its parent.
        hidden = {"CUDA_VISIBLE_DEVICES": ""}
        environment = {**os.environ, **hidden, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(package)}
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if self._line() != "ready":
            self.close()
            raise RuntimeError(f"the commands did not load: the process ended with {self._server.returncode}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()

    def run(
        self, words: Sequence[object], folder: Path, stop: signal.Signals | None = None, after: float = 0.0
    ) -> Ended:
        """Run a command in a folder, and send it a signal after so many seconds, if it still runs."""
        logs = {name: str(folder.parent / f"{folder.name}.{name}") for name in ("out", "err")}
        assert self._server.stdin is not None
        self._server.stdin.write(
            json.dumps({"words": [str(word) for word in words], "folder": str(folder), **logs}) + "\n"
        )
        self._server.stdin.flush()
        pid, start = int(self._line()), time.perf_counter()
        if stop is not None:
            time.sleep(after)
            # The server reaps it: until its answer is read, the number is not given to another process by this server.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop)
        code = int(self._line())
        return Ended(code, Path(logs["err"]).read_text(), time.perf_counter() - start)

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()
