"""The options of every command that reads slides or cells, defined once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from pyg_gears.errors import expect

OPTIONS = {
    "layer": click.option(
        "--layer",
        metavar="NAME",
        help="Layer with the raw counts; X and raw name these two. Default: X, if it holds counts.",
    ),
    "gene_column": click.option(
        "--gene-column", metavar="COLUMN", help="Column of var with the names of genes. Default: var_names."
    ),
    "section_key": click.option(
        "--section-key",
        metavar="COLUMN",
        help="Column of obs that separates the sections of a file, each a slide of its own; none: one section.",
    ),
    "spatial_key": click.option(
        "--spatial-key",
        metavar="KEY",
        help="Positions: a name in obsm, or two columns of obs as x,y. Default: spatial.",
    ),
}


def read_options(*, spatial: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of reading, as one argument ``reading``.

    Args:
        spatial: Whether the command reads slides, so that sections and positions matter.
    """
    names = list(OPTIONS) if spatial else ["layer", "gene_column"]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapped(**arguments: Any) -> None:
            from pyg_gears.data.io.read_options import ReadOptions

            command(reading=ReadOptions(**{name: arguments.pop(name) for name in names}), **arguments)

        for name in reversed(names):
            wrapped = OPTIONS[name](wrapped)
        return wrapped

    return decorate


reference_option = click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="[NAME=]SLIDE.h5ad ...",
    help="Slides of the fit, on which simple rivals are fitted.",
)
"""Of `evaluate` and `report`; what follows it is told apart by :func:`layout_and_references`."""


def layout_and_references(files: tuple[str, ...], references: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The layout and the reference slides of ``LAYOUT --reference A B C``, of which B and C arrive as further files."""
    layout, more = files[0], files[1:]
    expect(
        not more or bool(references),
        f"expected one layout, found {len(files)} files; name training slides after --reference.",
    )
    return layout, (*references, *more)
