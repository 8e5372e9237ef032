"""The option that names where a command of ``lab`` writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def out_folder(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The required option ``--out FOLDER`` with this help."""
    return click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help=text)
