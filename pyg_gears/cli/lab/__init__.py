"""``pyg-gears lab``: the commands of the laboratory."""

from __future__ import annotations

import click

from pyg_gears.cli.lazy_group import LazyGroup

COMMANDS = ("experiment", "diagnose", "batch-effect", "models", "benchmark", "patch-size", "targets")


@click.group(
    cls=LazyGroup,
    package="pyg_gears.cli.lab",
    commands=COMMANDS,
    short_help="Questions about the method itself.",
)
def lab() -> None:
    """Ask questions about the method: which variant is better, what a model looks at, how far slides differ."""


__all__ = ["lab"]
