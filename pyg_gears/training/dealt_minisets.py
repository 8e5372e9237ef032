"""The minisets of an epoch, dealt to the processes that train one model together."""

from __future__ import annotations

from typing import Any

from torch_geometric.data import Batch

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.errors import expect
from pyg_gears.ranks import current_ranks
from pyg_gears.training.recipe import Recipe


def dealt_minisets(minisets: MinisetDataset, recipe: Recipe, trainer: Any, *, seed: int | None = None) -> MinisetLoader:
    """This process's batches.

    Which minisets share a batch, and which batches a step, follows from the recipe: ``training.devices`` batches a step. The
    number of processes only decides who computes them.

    Args:
        minisets: Minisets with candidates and targets.
        recipe: The recipe.
        trainer: Lightning's trainer, which knows the processes.
        seed: Chooses the order, with the epoch; for validation, in a fixed order and batches twice as large, if omitted.
    """
    return MinisetLoader(
        minisets,
        recipe.training.node_budget * (1 if seed is not None else 2),
        seed=seed or 0,
        shuffle=seed is not None,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        share=recipe.training.devices,
    )


def place_in_epoch(batch_index: int, trainer: Any) -> tuple[int, int]:
    """The number of a batch among those of all processes, and the number of these."""
    count = trainer.world_size
    return batch_index * count + trainer.global_rank, int(trainer.num_training_batches) * count


def weight_of(batch: Batch, trainer: Any) -> int:
    """The weight of a batch in the mean of a figure, for ``log(..., batch_size=...)``: its graphs, times the processes.

    Lightning divides the sum of the weights of all processes by their number and drops the remainder.
    """
    return int(batch.num_graphs) * int(trainer.world_size)


def check_devices(recipe: Recipe) -> None:
    """Check that the processes of this run can share every step evenly.

    Raises:
        InputError: when ``training.devices`` is no multiple of the number of processes.
    """
    count, devices = current_ranks().count, recipe.training.devices
    expect(
        devices % count == 0,
        f"expected training.devices to be a multiple of the {count} processes of this run, found {devices}; set it to {count}, "
        f"and divide training.node_budget by {count} if steps are to see as many nodes.",
    )
