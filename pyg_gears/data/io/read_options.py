"""``ReadOptions``: which of a table's elements are the counts, the sections, the positions and the genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from pyg_gears.errors import expect


@dataclass(frozen=True)
class ReadOptions:
    """What a table does not say by itself; ``None`` leaves the choice to the reader.

    Attributes:
        layer: Layer of raw counts; ``"X"`` and ``"raw"`` name these. By default X if it holds counts, else a layer named
            like counts or ``.raw``, with a warning.
        section_key: Column of ``obs`` whose values are sections, each a slide of its own; ``"none"`` for a table that is
            one section whatever its columns say.
        spatial_key: Positions: a name in ``obsm``, or two columns of ``obs`` as ``"x,y"``. By default ``"spatial"``.
        gene_column: Column of ``var`` with the names of genes. By default the index.

    Raises:
        InputError: for a value that is not text.
    """

    layer: str | None = None
    section_key: str | None = None
    spatial_key: str | None = None
    gene_column: str | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            expect(
                value is None or isinstance(value, str),
                f"expected {name} as text, found {value!r}; write a name (two columns of obs as 'x,y').",
            )


class ReadChoices(TypedDict, total=False):
    """The fields of :class:`ReadOptions` as keywords."""

    layer: str | None
    section_key: str | None
    spatial_key: str | None
    gene_column: str | None
