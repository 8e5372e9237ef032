"""A command group that loads a command's module only when that command is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import click

from pyg_gears.errors import expect, nearest_name


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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words after the group's name; none ask for the help page."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names.

        Raises:
            InputError: when there is none of that name, or an option of one value is given several.
        """
        expect(
            ctx.resilient_parsing or args[0] in self.names,
            f"expected a command among {', '.join(self.names)}, found {args[0]!r}{nearest_name(args[0], self.names)}; "
            f"see {ctx.command_path} --help.",
        )
        name, command, words = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing:
            _check_repeats(ctx, command, words)
        return name, command, words

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in self.names:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{self.package}.{name}"), name)
        assert isinstance(command, click.Command)
        return command


ONCE = ("--cells", "--validate", "--paired", "--config")
"""Options of which someone may expect that several values add up. Of others the last one counts, as everywhere."""


def _check_repeats(ctx: click.Context, command: click.Command, words: list[str]) -> None:
    """Of two files after --cells the first would have no effect."""
    try:
        given = command.make_parser(click.Context(command, parent=ctx)).parse_args(args=list(words))[2]
    except click.UsageError:  # click says so when the command itself is asked
        return
    single = [option.opts[0] for option in given if isinstance(option, click.Option) and not option.multiple]
    twice = [option for option in ONCE if single.count(option) > 1]
    expect(not twice, f"expected {', '.join(twice)} once, found more; leave all but one out.")
