"""``JoinedMinisets``: the minisets of several datasets as one, none of them built twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from torch.utils.data import Dataset
from torch_geometric.data import Data

from pyg_gears.data.dataset import MinisetDataset
from pyg_gears.data.embedded_slide import EmbeddedSlide
from pyg_gears.errors import expect


class JoinedMinisets(Dataset[Data]):
    """The minisets of several datasets, those of the first one first, for ``MinisetLoader``.

    What a part has built before is not built again. Pairs of views stay together.

    Args:
        parts: The datasets.

    Raises:
        InputError: for no dataset.
    """

    def __init__(self, parts: Sequence[MinisetDataset]) -> None:
        expect(len(parts) > 0, "expected at least one dataset to join, found none; pass one.")
        self.parts = tuple(parts)
        self._ends = tuple(accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Data:
        if not 0 <= index < len(self):
            raise IndexError(f"miniset {index} of {len(self)}")
        number = next(number for number, end in enumerate(self._ends) if index < end)
        return self.parts[number][index - self._first(number)]

    @property
    def slides(self) -> list[EmbeddedSlide]:
        """The slides of all parts."""
        return [slide for part in self.parts for slide in part.slides]

    @property
    def sizes(self) -> list[int]:
        """Number of nodes of every miniset, without building it."""
        return [size for part in self.parts for size in part.sizes]

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Minisets that belong into one batch, numbered over all parts."""
        return [
            tuple(self._first(number) + index for index in group)
            for number, part in enumerate(self.parts)
            for group in part.groups
        ]

    def _first(self, number: int) -> int:
        return self._ends[number] - len(self.parts[number])
