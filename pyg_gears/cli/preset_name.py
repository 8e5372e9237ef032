"""The type of every ``--preset``: the presets that there are, whichever command asks."""

from __future__ import annotations

from typing import Any

import click


class PresetName(click.types.StringParamType):
    """The name of a preset. Its help lists them all; another name is refused by ``Recipe.preset``, which knows the nearest."""

    name = "preset"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """The presets, for the help of a command: only there they are loaded."""
        from pyg_gears.training.presets import PRESETS

        return f"[{'|'.join(PRESETS)}]"
