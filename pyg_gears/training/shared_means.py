"""Means of what is logged in training, over all processes."""

from __future__ import annotations

from torch import Tensor

from pyg_gears.ranks import gather


class SharedMeans:
    """Weighted means of figures that not every process has in every step, nor in the same order.

    Lightning averages name by name, in the order in which a process met the names, and would mix them up.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, int] = {}

    def add(self, name: str, value: Tensor, weight: int) -> None:
        """Take up a figure of one batch."""
        part = weight * value.detach().double()
        self._sums[name] = self._sums[name] + part if name in self._sums else part
        self._weights[name] = self._weights.get(name, 0) + weight

    def take(self) -> dict[str, float]:
        """The means over all processes, the same in each, and begin anew."""
        parts = gather({name: (float(value), self._weights[name]) for name, value in self._sums.items()})
        self._sums, self._weights = {}, {}
        names = dict.fromkeys(name for part in parts for name in part)
        return {
            name: sum(part[name][0] for part in parts if name in part)
            / sum(part[name][1] for part in parts if name in part)
            for name in names
        }
