"""Entry point: exit code 0, or 2 with one sentence for bad input, 1 for a failure of ours."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from typing import Any

import click

from pyg_gears import __version__
from pyg_gears.cli.lazy_group import LazyGroup
from pyg_gears.cli.stopping import EXIT_CODES, advice, stopped_line
from pyg_gears.errors import InputError, StorageError, arguments_are_options, storage_reason
from pyg_gears.ranks import OtherProcessFailed, current_ranks

COMMANDS = ("simulate", "fit", "reconstruct", "evaluate", "report", "demo", "transfer", "lab")

EXAMPLE = """\b
Examples (every command has its own --help):
pyg-gears fit A.h5ad B.h5ad C.h5ad --cells CELLS.h5ad --out MODEL
pyg-gears reconstruct MODEL CELLS.h5ad --out LAYOUT.h5ad
pyg-gears report LAYOUT.h5ad --out report.html
"""


@click.group(cls=LazyGroup, package="pyg_gears.cli", commands=COMMANDS, epilog=EXAMPLE)
@click.version_option(__version__)
def group() -> None:
    """Reconstruct how dissociated cells were arranged: learn from spatial slides, lay out cells by expression alone."""


_SAID: set[str] = set()
"""Warnings of this command: files that are opened again are warned of once."""


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line for a reader of the terminal, without file and line of ours; of several processes one says it."""
    line = f"pyg-gears: warning: {' '.join(str(message).split())}"
    if current_ranks().first and line not in _SAID:
        _SAID.add(line)
        click.echo(line, err=True)


def run(arguments: list[str] | None = None) -> Any:
    """Run a command and leave with its exit code."""
    # Import-time deprecations inside PyG and Lightning are no message to a user.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.showwarning = _say
    _SAID.clear()
    try:
        with arguments_are_options():
            group.main(arguments, prog_name="pyg-gears", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (InputError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        if isinstance(error, StorageError):  # what the reader of a terminal repeats is a command
            message = f"{error.args[0]}, then {advice()}."
        if isinstance(error, click.UsageError) and error.ctx is not None:
            message = f"{message.rstrip('.')}; see {error.ctx.command_path} --help."
        number = current_ranks().number
        click.echo(f"pyg-gears{f' (process {number})' if number else ''}: {' '.join(message.split())}", err=True)
        sys.exit(2)
    except OtherProcessFailed:  # which has said why
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo(stopped_line(), err=True, nl=False)
        sys.exit(EXIT_CODES[signal.SIGINT])
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        reason = storage_reason(error)
        if reason is not None:
            where = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
            click.echo(
                f"pyg-gears: expected to be able to use the disk{where}, found {reason!r}; make room or give permission, then "
                f"{advice()}.",
                err=True,
            )
            sys.exit(2)
        traceback.print_exc()
        click.echo("pyg-gears: this is a failure of ours, please report it with the lines above", err=True)
        sys.exit(1)
    sys.exit(0)
