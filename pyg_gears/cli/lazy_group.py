"""A command group that loads a command's module only when that command is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by name; each lives in the module of that name (``-`` becomes ``_``) and bears it.

    Args:
        package: Package of the commands' modules.
        commands: Names, in the order of the help page.
        options: As for ``click.Group``.
    """

    def __init__(self, *, package: str, commands: Sequence[str], **options: Any) -> None:
        super().__init__(
            **{"context_settings": {"help_option_names": ["-h", "--help"], "show_default": True}, **options}
        )
        self.package, self.names = package, tuple(commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, without loading a command."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in self.names:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{self.package}.{name}"), name)
        assert isinstance(command, click.Command)
        return command
