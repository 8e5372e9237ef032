"""The training log: one row per epoch, in a file that is always whole."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import lightning

from pyg_gears.data.whole_file import whole_file
from pyg_gears.ranks import current_ranks


class EpochLog(lightning.Callback):
    """Write the metrics of every epoch to a CSV file.

    The rows travel in the checkpoint: a resumed run goes on where the checkpoint stood, without gap or repetition.

    Args:
        path: File to write after every epoch.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Add the epoch's row and write the file; of several processes all average, and the first one writes."""
        row = {"epoch": float(trainer.current_epoch), "lr": float(trainer.optimizers[0].param_groups[0]["lr"])}
        row.update({name: float(value) for name, value in trainer.callback_metrics.items()})
        self.rows.append(row)
        self._write()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of a checkpoint, and write them: the file may be gone or damaged."""
        self.rows = list(state_dict["rows"])
        self._write()

    def _write(self) -> None:
        if not current_ranks().first:
            return
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        writer.writeheader()
        writer.writerows(self.rows)
        with whole_file(self.path) as part:
            part.write_text(text.getvalue())
