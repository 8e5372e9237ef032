"""``pyg-gears lab``: the commands of the laboratory."""

from __future__ import annotations

import click

from pyg_gears.cli.lazy_group import LazyGroup

COMMANDS = ("experiment", "diagnose", "batch-effect", "models", "benchmark", "patch-size", "targets")


@click.group(
    cls=LazyGroup,
    package="pyg_gears.cli.lab",
    commands=COMMANDS,
    short_help="Studies of the method itself.",
)
def lab() -> None:
    """Study the method itself: which variant is better, what a model attends to, how far slides differ."""


__all__ = ["lab"]
