"""Progress for a log: a line where a terminal shows a bar."""

from __future__ import annotations

import sys
from typing import Any

import lightning

SHOWN = ("loss", "overlap", "h_gate", "gate_precision")


class ProgressLines(lightning.Callback):
    """Write a line to stderr after every epoch, or once at the end of a training that is counted in steps.

    Args:
        title: What is trained.
    """

    def __init__(self, title: str) -> None:
        self.title = title

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The epoch and its figures."""
        if trainer.max_epochs != -1:
            self._say(trainer, f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The number of steps."""
        if trainer.max_epochs == -1:
            self._say(trainer, f"{trainer.global_step} steps")

    def _say(self, trainer: Any, done: str) -> None:
        figures = [
            f", {name} {float(trainer.callback_metrics[name]):.4g}"
            for name in SHOWN
            if name in trainer.callback_metrics
        ]
        if trainer.is_global_zero:  # all processes have averaged the figures
            print(f"{self.title}: {done}{''.join(figures)}", file=sys.stderr, flush=True)
