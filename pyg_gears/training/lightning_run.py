"""One Lightning run, quiet and without trace in the global random state."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.strategies import DDPStrategy

from pyg_gears.devices import repeatable
from pyg_gears.ranks import Ranks, by_first, current_ranks
from pyg_gears.training.joined_processes import JoinedProcesses
from pyg_gears.training.progress_lines import ProgressLines
from pyg_gears.training.sealed_file import read_kept
from pyg_gears.training.whole_checkpoints import WholeCheckpoints


def run(
    module: lightning.LightningModule,
    callbacks: list[Any],
    *,
    progress: bool,
    title: str = "training",
    device: torch.device | str = "cpu",
    resume: Path | None = None,
    batches: int | None = None,
    **options: Any,
) -> None:
    """Fit a module, from a checkpoint where there is one.

    Args:
        module: What to train.
        callbacks: Lightning callbacks; without any, nothing is written.
        progress: Show a progress bar on a terminal, and elsewhere a line per epoch on stderr.
        title: What is trained, for these lines.
        device: The device; its random generators are left as they were.
        resume: A checkpoint from which to go on, if it is there and whole.
        batches: Batches of one step, of all processes of this run together, which train the module as one and average their
            gradients; if omitted, this process trains on its own.
        options: Further arguments of Lightning's Trainer.

    Raises:
        KeyboardInterrupt: on Ctrl-C or a termination signal, once Lightning has shut down.
    """
    device = torch.device(device)
    ranks = Ranks() if batches is None else current_ranks()
    assert (batches or 1) % ranks.count == 0
    together: dict[str, Any] = {}
    if ranks.count > 1:
        # To Lightning each process is a machine of its own with one device.
        # A gate that is frozen, or read by no loss, gets no gradient.
        strategy = DDPStrategy(cluster_environment=JoinedProcesses(ranks), find_unused_parameters=True)
        together = {"strategy": strategy, "num_nodes": ranks.count}
    # A bar reads figures in the first process alone, but all processes must meet to average them.
    terminals = all(stream is not None and stream.isatty() for stream in (sys.stderr, sys.stdout))
    on_gpu, bar = device.type == "cuda", terminals and ranks.count == 1
    progress = progress and sys.stderr is not None  # without it print would turn to stdout
    # Lightning and the loaders draw from the global generator.
    with _quiet(), torch.random.fork_rng([device] if on_gpu else []):
        trainer = lightning.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=[device.index or 0] if on_gpu else 1,
            callbacks=callbacks + ([TQDMProgressBar(leave=True) if bar else ProgressLines(title)] if progress else []),
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=progress and bar,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            # Whether there are other processes has been decided: Lightning is not to look for them by itself.
            plugins=[WholeCheckpoints(), *([] if together else [LightningEnvironment()])],
            accumulate_grad_batches=(batches or 1) // ranks.count,
            **together,
            **options,
        )
        start = resume if resume is not None and by_first(lambda: read_kept(resume) is not None) else None
        handler = signal.getsignal(signal.SIGINT)
        try:
            with repeatable(device):
                trainer.fit(module, ckpt_path=start, weights_only=True)
        except SystemExit as stop:
            # Lightning turns both into an exit and leaves further ones without effect.
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from stop
    epochs = trainer.max_epochs or 0  # -1 where steps are counted
    if progress and ranks.first and trainer.current_epoch < epochs:
        print(
            f"{title}: stopped after epoch {trainer.current_epoch} of {epochs}, as validation no longer improved",
            file=sys.stderr,
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's advertisements and its advice (on worker processes: data lie in memory; on a GPU) off the terminal."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
            warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*find_unused_parameters=True was specified.*")
            warnings.filterwarnings(
                "ignore", message=".*number of training batches .* smaller than the logging interval.*"
            )
            yield
    finally:
        logger.setLevel(level)
