"""Lightning's checkpoints as files that are whole and carry a checksum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO

from pyg_gears.ranks import by_first
from pyg_gears.training.sealed_file import read_sealed, write_sealed


class WholeCheckpoints(CheckpointIO):
    """Write a checkpoint beside its final name and rename it.

    Lightning's own writes into the temporary folder and moves the file; from another file system that is a copy, which a kill or
    a full disk cuts short.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint, whole or not at all."""
        write_sealed(path, checkpoint)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint onto the CPU; nothing in it is executed. The first process reads, and tells the others."""
        content: dict[str, Any] = by_first(lambda: read_sealed(path).content)
        return content

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)
