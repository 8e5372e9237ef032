"""Entry point: exit code 0, or 2 with one sentence for bad input, 1 for a failure of ours."""

from __future__ import annotations

import importlib
import sys
import traceback
import warnings
from typing import Any

import click

from pyg_gears import __version__
from pyg_gears._checks import InputError

COMMANDS = ("simulate", "fit", "reconstruct", "evaluate", "batch-effect", "diagnose", "experiment", "demo")


class _Lazy(click.Group):
    """Load a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"pyg_gears.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
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
