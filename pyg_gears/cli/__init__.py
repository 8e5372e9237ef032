"""The command line ``pyg-gears``: one file a command; every command checks its files before anything heavy is loaded."""

from __future__ import annotations

from pyg_gears.cli.main import main

__all__ = ["main"]
