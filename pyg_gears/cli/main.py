"""Entry point: exit code 0, or 2 with one sentence for bad input, 1 for a failure of ours."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import Any

import click

from pyg_gears import __version__
from pyg_gears.cli.lazy_group import LazyGroup
from pyg_gears.errors import InputError

COMMANDS = ("simulate", "fit", "reconstruct", "evaluate", "report", "demo", "lab")


@click.group(cls=LazyGroup, package="pyg_gears.cli", commands=COMMANDS)
@click.version_option(__version__)
def group() -> None:
    """Give dissociated cells their place back: learn from spatial slides, lay out cells by expression alone."""


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one line for a reader of the terminal, without file and line of ours."""
    click.echo(f"pyg-gears: warning: {' '.join(str(message).split())}", err=True)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and leave with its exit code."""
    # Import-time deprecations inside PyG and Lightning are no message to a user.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.showwarning = _say
    try:
        group.main(arguments, prog_name="pyg-gears", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (InputError, click.ClickException) as error:
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(f"pyg-gears: {' '.join(message.split())}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "pyg-gears: stopped; finished work is kept, run the same command again (fit: with --resume)", err=True
        )
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        click.echo("pyg-gears: this is a failure of ours, please report it with the lines above", err=True)
        sys.exit(1)
    sys.exit(0)
