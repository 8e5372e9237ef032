"""``Source``: an AnnData-shaped table, in a file of any format or in memory, of which single parts are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anndata import AnnData


class Source(Protocol):
    """What every format offers to the reader of slides; nothing is interpreted here.

    Keys name elements as in AnnData's files: ``"X"``, ``"raw/X"``, ``"layers/counts"``, ``"obs/in_tissue"``,
    ``"var/gene_ids"``, ``"obsm/spatial"``, ``"uns/log1p"``. Mappings in ``uns`` go on: ``"uns/spatial/library"``.

    Attributes:
        name: Name of the slide: the stem of the file, or the name that the caller gave.
        where: The file or object, for messages.
    """

    name: str
    where: str

    def row_names(self, table: str) -> tuple[str, ...]:
        """Names of the rows of ``"obs"``, ``"var"`` or ``"raw/var"``.

        Raises:
            InputError: when the table is missing or damaged.
        """

    def keys(self, group: str) -> tuple[str, ...]:
        """Names of the elements of a group; none for a missing group.

        Args:
            group: ``"obs"``, ``"var"``, ``"obsm"``, ``"layers"``, ``"uns"``, ``"raw"``, or a mapping in ``uns``.
        """

    def has(self, key: str) -> bool:
        """Whether there is such an element (X may be missing, or None)."""

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Shape of an element, without its values; None where only the values tell."""

    def read(self, key: str) -> Any:
        """An element in its type in memory: array, sparse matrix, data frame, Series, mapping or scalar.

        Raises:
            InputError: when it is damaged.
        """

    def blocks(self, key: str) -> Iterable[Any]:
        """A matrix block by block of rows, in their order, each in memory; one block where it lies there already.

        Raises:
            InputError: when it is damaged.
        """

    def to_anndata(self) -> AnnData:
        """Everything in it as an AnnData in memory, which the caller may change.

        Raises:
            InputError: when it is damaged.
        """
