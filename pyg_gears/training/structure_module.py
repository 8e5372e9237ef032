"""One training step and one validation step of the structure model, as Lightning runs them."""

from __future__ import annotations

import copy
import math
from typing import Any

import lightning
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.losses import gate_kl, gate_trust, geometric_energy
from pyg_gears.models import GatedModel
from pyg_gears.training.augmentation import augment
from pyg_gears.training.oracle import oracle_energy
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.schedules import cosine_rate, linear_ramp, random_walk_weight
from pyg_gears.training.structure_loss import STRESS, structure_terms

STOPPING = "stopping_energy"


class TrainingDiverged(RuntimeError):
    """The validation energy is not finite."""


class StructureModule(lightning.LightningModule):
    """Loss, optimiser and validation of one structure model.

    Every random number of a step follows from (seed, epoch, batch), so that a resumed run repeats an unbroken one.

    Args:
        model: The model to train.
        recipe: The recipe.
        train: Training minisets.
        validation: Fixed minisets of held-out spots.
        seed: Seed of order and augmentation.
        pretrain: Train nothing but the gate and the initial coordinates, without attention.
    """

    def __init__(
        self,
        model: GatedModel,
        recipe: Recipe,
        train: MinisetDataset,
        validation: MinisetDataset,
        *,
        seed: int,
        pretrain: bool = False,
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.seed, self.pretrain = model, recipe, seed, pretrain
        self._train, self._validation = train, validation
        x = torch.cat([slide.x for slide in train.slides])
        self._std = x.std(dim=0)
        self.earlier_gate: torch.nn.Module | None = None
        if recipe.training.pretrain_steps > 0 and not pretrain:
            # A part of the module, so that a checkpoint carries it.
            self.earlier_gate = copy.deepcopy(model.gate).requires_grad_(False)

    def train_dataloader(self) -> MinisetLoader:
        """Minisets in an order of (seed, epoch), dealt to the devices."""
        budget = self.recipe.training.node_budget
        return MinisetLoader(
            self._train, budget, seed=self.seed, rank=self.trainer.global_rank, world_size=self.trainer.world_size
        )

    def val_dataloader(self) -> MinisetLoader:
        """The fixed validation minisets, in a fixed order."""
        budget = 2 * self.recipe.training.node_budget
        rank, size = self.trainer.global_rank, self.trainer.world_size
        return MinisetLoader(self._validation, budget, shuffle=False, rank=rank, world_size=size)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The weighted loss of one augmented batch."""
        step_seed = ((self.seed * 1_000_003 + self.current_epoch) * 1_000_003 + batch_index) % 2**63
        generator = torch.Generator().manual_seed(step_seed)
        clean = batch.x
        batch = augment(batch, self.recipe.training, self._std, generator)
        gate_x = clean if self.recipe.gate.clean else batch.x
        if self.pretrain:
            gate = self._record("gate", gate_kl(self.model.gate_edges(batch, gate_x), batch), batch)
            start = STRESS[self.recipe.loss.stress_kind](self.model.embed_pos(batch.x), batch)
            return gate + self._record("start_stress", start, batch)
        schedule, gate_recipe = self.recipe.training, self.recipe.gate
        epoch = self.current_epoch + batch_index / max(1, int(self.trainer.num_training_batches))
        walk_weight = random_walk_weight(
            epoch, warmup=schedule.warmup_epochs, ramp=schedule.ramp_epochs, cap=self.recipe.loss.random_walk
        )
        beta = linear_ramp(epoch, gate_recipe.beta_ramp_epochs, first=gate_recipe.beta_start, last=gate_recipe.beta)
        devices = [self.device] if self.device.type == "cuda" else []
        loss = batch.x.new_zeros(())
        with torch.random.fork_rng(devices):  # dropout knows no generator
            torch.manual_seed(step_seed)
            terms = structure_terms(
                self.model,
                batch,
                gate_x,
                self.recipe,
                walk_weight=walk_weight,
                beta=beta,
                generator=generator,
                earlier_gate=self.earlier_gate,
            )
            for name, weight, value in terms:
                loss = loss + weight * self._record(name, value, batch)
        return self._record("loss", loss, batch)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """E_geo with the gated candidates and, beside it, with the true graph; how far the gate has drifted."""
        output = self.model(batch)
        gated, oracle = geometric_energy(output.pos, batch), oracle_energy(self.model, batch)
        for name, value in (("h_gate", gated), ("t_edge", oracle)):
            for part, tensor in (
                ("", value.as_subclass(Tensor)),
                ("_walk", value.random_walk),
                ("_stress", value.stress),
            ):
                self.log(f"{name}{part}", tensor, batch_size=batch.num_graphs, sync_dist=True)
        if self.earlier_gate is not None:
            earlier = self.earlier_gate.eval()(batch.x, batch.edge_index, batch.batch)
            self.log(
                "gate_drift",
                gate_trust(output.gate_logits, earlier, batch),
                batch_size=batch.num_graphs,
                sync_dist=True,
            )

    def on_validation_epoch_end(self) -> None:
        """Offer the energy to early stopping once the random-walk weight has reached its cap."""
        energy = float(self.trainer.callback_metrics["h_gate"])
        if not math.isfinite(energy):
            raise TrainingDiverged(
                f"training diverged: the validation energy is {energy}; lower training.lr or the loss weights and resume."
            )
        schedule = self.recipe.training
        # Before the cap the weights change from epoch to epoch: a pause in the energy is no reason to stop.
        if self.current_epoch + 1 >= min(schedule.warmup_epochs + schedule.ramp_epochs, schedule.epochs):
            self.log(STOPPING, energy, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine rate per step."""
        schedule = self.recipe.training
        if self.pretrain:
            total, high = schedule.pretrain_steps, schedule.pretrain_lr
            parameters = [*self.model.gate.parameters(), *self.model.embed_pos.parameters()]
        else:
            total, high = int(self.trainer.estimated_stepping_batches), schedule.lr
            parameters = list(self.model.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=high, weight_decay=schedule.weight_decay)

        def rate(step: int) -> float:
            return cosine_rate(step, total, high=high, low=schedule.min_lr) / high

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _record(self, name: str, value: Tensor, batch: Batch) -> Tensor:
        self.log(
            name,
            value.detach(),
            on_step=False,
            on_epoch=True,
            prog_bar=name in ("loss", "gate"),
            batch_size=batch.num_graphs,
        )
        return value
