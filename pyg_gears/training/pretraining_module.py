"""Training before attention: the gate, and the initial coordinates."""

from __future__ import annotations

import copy
from typing import Any

import lightning
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.losses import gate_kl, gate_ranking
from pyg_gears.models import GatedModel
from pyg_gears.seeds import child_seed
from pyg_gears.training.augmentation import augment
from pyg_gears.training.dealt_minisets import dealt_minisets, place_in_epoch, weight_of
from pyg_gears.training.gate_precision import gate_precision
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.schedules import cosine_rate
from pyg_gears.training.structure_loss import STRESS
from pyg_gears.training.training_recipe import Pretraining


class PretrainingModule(lightning.LightningModule):
    """Loss and optimiser of the pretraining.

    The gate learns from its target (KL, and the ranking loss where ``gate.rank`` is above zero), the initial coordinates
    from the stress.

    Every random number of a step follows from (seed, epoch, batch), batches being numbered over all processes.

    Args:
        model: The model whose gate is trained.
        recipe: The recipe, with ``training.pretraining``.
        train: Training minisets.
        validation: Fixed minisets of held-out spots; None where nothing is held out.
        seed: Seed of order and augmentation.
    """

    def __init__(
        self, model: GatedModel, recipe: Recipe, train: MinisetDataset, validation: MinisetDataset | None, *, seed: int
    ) -> None:
        super().__init__()
        assert recipe.training.pretraining is not None
        self.model, self.recipe, self.seed = model, recipe, seed
        self.plan: Pretraining = recipe.training.pretraining
        self._train, self._validation = train, validation
        self._std = torch.cat([slide.x for slide in train.slides]).std(dim=0)
        self.best: tuple[float, dict[str, Tensor]] | None = None

    def train_dataloader(self) -> MinisetLoader:
        """Minisets in an order of (seed, epoch), dealt to the processes."""
        return dealt_minisets(self._train, self.recipe, self.trainer, seed=self.seed)

    def val_dataloader(self) -> MinisetLoader | list[Batch]:
        """The fixed validation minisets."""
        return [] if self._validation is None else dealt_minisets(self._validation, self.recipe, self.trainer)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of one augmented batch."""
        number, _ = place_in_epoch(batch_index, self.trainer)
        generator = torch.Generator().manual_seed(child_seed(self.seed, "pretrain", self.current_epoch, number))
        gate: Any = getattr(self.recipe.model, "gate", None)
        clean = batch.x
        batch = augment(batch, self.recipe.training, self._std, generator)
        logits = self.model.gate(clean if gate.clean else batch.x, batch.edge_index, batch.batch)
        loss = gate_kl(logits, batch)
        if gate.rank > 0:
            # As in the joint training, where the KL has the weight gate.kl.
            loss = loss + gate.rank / max(gate.kl, 1e-12) * gate_ranking(logits, batch, generator, gate.rank_margin)
        if self.plan.coordinates:
            loss = loss + STRESS[self.recipe.loss.stress_kind](self.model.embed_pos(batch.x), batch)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Precision of the gate."""
        logits = self.model.gate(batch.x, batch.edge_index, batch.batch)
        self.log(
            "gate_precision", gate_precision(logits, batch), batch_size=weight_of(batch, self.trainer), sync_dist=True
        )

    def on_validation_epoch_end(self) -> None:
        """Keep the gate while its precision rises, and end the training when it no longer does."""
        precision = float(self.trainer.callback_metrics["gate_precision"])
        if self.best is None or precision > self.best[0]:
            self.best = precision, copy.deepcopy(self.model.gate.state_dict())
        else:
            self.trainer.should_stop = True

    def on_train_end(self) -> None:
        """Return to the best gate."""
        if self.best is not None:
            self.model.gate.load_state_dict(self.best[1])

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine rate per step."""
        high, low = self.plan.lr, min(self.recipe.training.min_lr, self.plan.lr)
        parameters = self.model.pretraining_parameters(coordinates=self.plan.coordinates)
        optimizer = torch.optim.AdamW(parameters, lr=high, weight_decay=self.recipe.training.weight_decay)

        def rate(step: int) -> float:
            return cosine_rate(step, self.plan.steps, high=high, low=low) / high

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
