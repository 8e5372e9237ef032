"""Pretrain a model's gate and initial coordinates, where the recipe says so."""

from __future__ import annotations

from typing import Any

from pyg_gears.data import MinisetDataset
from pyg_gears.models import GatedModel
from pyg_gears.ranks import current_ranks
from pyg_gears.training.lightning_run import run
from pyg_gears.training.pretraining_module import PretrainingModule
from pyg_gears.training.recipe import Recipe


def pretrain(
    model: GatedModel,
    recipe: Recipe,
    train: MinisetDataset,
    validation: MinisetDataset | None,
    *,
    seed: int,
    progress: bool,
    **options: Any,
) -> None:
    """Pretrain in place; nothing happens without ``training.pretraining``.

    Args:
        model: The model.
        recipe: The recipe.
        train: Training minisets.
        validation: Minisets of held-out spots; without them ``evaluate_every`` is not read, and all steps are trained.
        seed: Seed of order and augmentation.
        progress: Show progress.
        options: Further arguments of :func:`~pyg_gears.training.lightning_run.run`.
    """
    plan = recipe.training.pretraining
    if plan is None:
        return
    measure: dict[str, Any] = {"limit_val_batches": 0}
    if plan.evaluate_every is not None and validation is not None:
        # Lightning counts batches of this process.
        interval = plan.evaluate_every * (recipe.training.devices // current_ranks().count)
        measure = {"val_check_interval": interval, "check_val_every_n_epoch": None}
    module = PretrainingModule(model, recipe, train, validation, seed=seed)
    run(module, [], progress=progress, title="pretraining", max_steps=plan.steps, **measure, **options)
