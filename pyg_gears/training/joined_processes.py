"""What Lightning asks about processes that have met already."""

from __future__ import annotations

from lightning.fabric.plugins.environments import ClusterEnvironment

from pyg_gears.ranks import Ranks


class JoinedProcesses(ClusterEnvironment):
    """Every process as a machine of its own, with one device: it has chosen that itself.

    Args:
        ranks: This process among all.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    @property
    def creates_processes_externally(self) -> bool:
        """True: a launcher has made them."""
        return True

    @property
    def main_address(self) -> str:
        """Not asked for: the processes have met."""
        raise NotImplementedError

    @property
    def main_port(self) -> int:
        """Not asked for either."""
        raise NotImplementedError

    @staticmethod
    def detect() -> bool:
        """False: it is named, not found."""
        return False

    def world_size(self) -> int:
        """Number of processes."""
        return self._ranks.count

    def set_world_size(self, size: int) -> None:
        """Nothing to do: it is known."""

    def global_rank(self) -> int:
        """Number of this process."""
        return self._ranks.number

    def set_global_rank(self, rank: int) -> None:
        """Nothing to do: it is known."""

    def local_rank(self) -> int:
        """0: the only device."""
        return 0

    def node_rank(self) -> int:
        """Number of this process."""
        return self._ranks.number
