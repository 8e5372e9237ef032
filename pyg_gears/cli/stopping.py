"""SIGINT and SIGTERM end every command alike, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from pyg_gears.ranks import current_ranks

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""As shells report a process that a signal ended."""


_advice: Callable[[], str] | None = None


def advise(advice: Callable[[], str] | None) -> None:
    """Set what a user whose command is stopped from now on is told to do next; None for the usual."""
    global _advice
    _advice = advice


def advice() -> str:
    """What a user whose command is stopped now should do next."""
    return "run the same command again" if _advice is None else _advice()


@contextmanager
def signals_stop(*, own_process: bool) -> Iterator[None]:
    """Answer both signals with one line, no temporary file left, and the exit code.

    The process ends in the handler: an exception could be swallowed by whatever library is at work, and every file on disk is
    whole at any moment. SIGINT is answered even where a shell script has started the command in the background with it ignored.

    Args:
        own_process: Nothing follows the block but the end of the process: signals that come later have no effect. Otherwise the
            handlers from before are put back.
    """
    advise(None)
    process = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        for other in EXIT_CODES:
            signal.signal(other, signal.SIG_IGN)
        if os.getpid() != process:  # a fork: what is unfinished is not its own
            os._exit(EXIT_CODES[signal.Signals(number)])
        with suppress(Exception):
            if current_ranks().first:
                os.write(2, stopped_line().encode())
        # Not loaded where the command has written nothing yet.
        leftovers = sys.modules.get("pyg_gears.data.leftovers")
        if leftovers is not None:
            with suppress(Exception):
                leftovers.remove_leftovers()
        os._exit(EXIT_CODES[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():  # only the main one may answer signals
        yield
        return
    before = {number: signal.signal(number, stop) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if own_process else handler)


def stopped_line() -> str:
    """What is said about it."""
    bar = "\n" if sys.stderr.isatty() else ""  # a progress bar may stand in the line
    return f"{bar}pyg-gears: stopped; finished work is kept: {advice()}\n"
