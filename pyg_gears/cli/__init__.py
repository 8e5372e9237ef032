"""The command line ``pyg-gears``: one file a command; every command checks its files before anything heavy is loaded."""

from __future__ import annotations

import os
import sys
from typing import Any

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and leave with its exit code.

    Args:
        arguments: The words after the command's name; those of the process if omitted.
    """
    from pyg_gears.cli.stopping import signals_stop

    own_process = arguments is None
    for name in ("stdout", "stderr") if own_process else ():
        # Closed by whoever started the command: the next file that is opened would take its number.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    # Before anything else is loaded.
    with signals_stop(own_process=own_process):
        if own_process:
            from pyg_gears.cli.threads import choose_threads, collect_seldom

            choose_threads(os.environ)
            collect_seldom()
        from pyg_gears.cli.command_line import run
        from pyg_gears.cli.home_folder import home_expanded

        run([home_expanded(word) for word in (sys.argv[1:] if arguments is None else arguments)])
