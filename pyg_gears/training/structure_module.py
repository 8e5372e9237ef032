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
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.seeds import child_seed
from pyg_gears.training.augmentation import augment
from pyg_gears.training.dealt_minisets import dealt_minisets, place_in_epoch, weight_of
from pyg_gears.training.gate_precision import gate_precision
from pyg_gears.training.oracle import oracle_energy
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.schedules import cosine_rate, delayed_ramp, random_walk_weight
from pyg_gears.training.shared_means import SharedMeans
from pyg_gears.training.structure_loss import structure_terms

CAPPED_ENERGY = "capped_energy"
"""E_geo on validation, logged only once the random-walk weight has reached its cap: what early stopping watches."""
SELECTION_ENERGY = "selection_energy"
"""E_geo on validation, infinite in epochs whose state may not be kept: what the best checkpoint is chosen by."""


class TrainingDiverged(RuntimeError):
    """The validation energy is not finite."""


class StructureModule(lightning.LightningModule):
    """Loss, optimiser and validation of one structure model.

    Every random number of a step follows from (seed, epoch, batch), so that a resumed run repeats an unbroken one; batches are
    numbered over all processes, so that several of them repeat a single one.

    Args:
        model: The model to train.
        recipe: The recipe.
        train: Training minisets.
        validation: Fixed minisets of held-out spots; None where nothing is held out.
        seed: Seed of order and augmentation.
    """

    def __init__(
        self,
        model: StructureModel,
        recipe: Recipe,
        train: MinisetDataset,
        validation: MinisetDataset | None,
        *,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.seed = model, recipe, seed
        self._train, self._validation = train, validation
        self._means = SharedMeans()
        self._std = torch.cat([slide.x for slide in train.slides]).std(dim=0)
        self._gate = getattr(recipe.model, "gate", None)
        self.earlier_gate: torch.nn.Module | None = None
        if isinstance(model, GatedModel) and recipe.training.pretraining is not None:
            # A part of the module, so that a checkpoint carries it.
            self.earlier_gate = copy.deepcopy(model.gate).requires_grad_(False)

    def train_dataloader(self) -> MinisetLoader:
        """Minisets in an order of (seed, epoch), dealt to the processes."""
        return dealt_minisets(self._train, self.recipe, self.trainer, seed=self.seed)

    def val_dataloader(self) -> MinisetLoader | list[Batch]:
        """The fixed validation minisets, in a fixed order."""
        return [] if self._validation is None else dealt_minisets(self._validation, self.recipe, self.trainer)

    def on_train_start(self) -> None:
        """Tell the model how many steps there will be."""
        self.model.begin_training(int(self.trainer.estimated_stepping_batches))

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The weighted loss of one augmented batch."""
        number, total = place_in_epoch(batch_index, self.trainer)
        step_seed = child_seed(self.seed, "step", self.current_epoch, number)
        generator = torch.Generator().manual_seed(step_seed)
        clean, schedule = batch.x, self.recipe.training
        batch = augment(batch, schedule, self._std, generator)
        epoch = self.current_epoch + number / max(1, total)
        walk_weight = random_walk_weight(
            epoch, warmup=schedule.warmup_epochs, ramp=schedule.ramp_epochs, cap=self.recipe.loss.random_walk
        )
        options: dict[str, Any] = {}
        if (overlap := self.recipe.loss.overlap) is not None:
            options["overlap_share"] = delayed_ramp(epoch / (self.trainer.max_epochs or 1), overlap.begin, overlap.end)
        if self._gate is not None:
            options |= {
                "gate_x": clean if self._gate.clean else batch.x,
                "beta": self._gate.beta_at(epoch),
                "earlier_gate": self.earlier_gate,
            }
        devices = [self.device] if self.device.type == "cuda" else []
        loss = batch.x.new_zeros(())
        with torch.random.fork_rng(devices):  # dropout knows no generator
            # Not torch.manual_seed: without a GPU in use it keeps every call, with its stack, for the day there is one.
            torch.default_generator.manual_seed(step_seed)
            if self.device.type == "cuda":
                torch.cuda.manual_seed(step_seed)
            terms = structure_terms(
                self.model, batch, self.recipe, walk_weight=walk_weight, generator=generator, **options
            )
            for name, weight, value in terms:
                loss = loss + weight * self._record(name, value, batch)
        return self._record("loss", loss, batch)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        """After the last batch of an epoch, log the means over its graphs."""
        if self.trainer.is_last_batch:
            for name, value in self._means.take().items():
                # Several processes bring the same mean, in the same order.
                self.log(
                    name,
                    value,
                    on_step=False,
                    on_epoch=True,
                    prog_bar=name in ("loss", "gate"),
                    batch_size=1,
                    sync_dist=True,
                )

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Leave the gate as it is in steps that do not train it."""
        gate = self._gate
        if gate is None or not isinstance(self.model, GatedModel):
            return
        if self.current_epoch < gate.frozen_epochs or self.trainer.global_step % gate.update_every:
            for parameter in self.model.gate.parameters():
                parameter.grad = None  # AdamW passes over parameters without a gradient

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """E_geo with the inferred graph and with the true one; precision, KL and drift of a gate."""
        output = self.model(batch)
        gated = geometric_energy(output.pos, batch)
        oracle = oracle_energy(self.model, batch) if self.model.reads_edges else gated
        for name, value in (("h_gate", gated), ("t_edge", oracle)):
            for part, tensor in (
                ("", value.as_subclass(Tensor)),
                ("_walk", value.random_walk),
                ("_stress", value.stress),
            ):
                self._log_validation(f"{name}{part}", tensor, batch)
        if output.gate_logits is not None:
            self._log_validation("gate_precision", gate_precision(output.gate_logits, batch), batch)
            self._log_validation("gate_kl", gate_kl(output.gate_logits, batch), batch)
        if self.earlier_gate is not None and output.gate_logits is not None:
            earlier = self.earlier_gate.eval()(batch.x, batch.edge_index, batch.batch)
            self._log_validation("gate_drift", gate_trust(output.gate_logits, earlier, batch), batch)

    def on_validation_epoch_end(self) -> None:
        """Offer the energy to early stopping once the random-walk weight has reached its cap."""
        energy = float(self.trainer.callback_metrics["h_gate"])
        if not math.isfinite(energy):
            raise TrainingDiverged(
                f"training diverged: the validation energy is {energy}; lower training.lr or the loss weights and "
                "fit into another folder."
            )
        capped = self.current_epoch + 1 >= self.recipe.training.cap_epoch
        # Before the cap the weights change from epoch to epoch: a pause in the energy is no reason to stop.
        if capped:
            self.log(CAPPED_ENERGY, energy, sync_dist=True)
        kept = capped or self.recipe.training.checkpoint == "any"
        self.log(SELECTION_ENERGY, energy if kept else math.inf, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW with a cosine rate per step; a gate or other part has a rate of its own where recipe or model name one."""
        schedule = self.recipe.training
        total = int(self.trainer.estimated_stepping_batches)
        own = [(set(parameters), factor * schedule.lr) for parameters, factor in self.model.learning_rates()]
        if isinstance(self.model, GatedModel):
            rate = schedule.lr if self._gate is None or self._gate.lr is None else self._gate.lr
            own.append((set(self.model.gate.parameters()), rate))
        apart = set().union(*(group for group, _ in own))
        groups = [[parameter for parameter in self.model.parameters() if parameter not in apart]]
        groups += [[parameter for parameter in self.model.parameters() if parameter in group] for group, _ in own]
        rates = [schedule.lr, *(rate for _, rate in own)]
        optimizer = torch.optim.AdamW(
            [{"params": group, "lr": rate} for group, rate in zip(groups, rates, strict=True)],
            weight_decay=schedule.weight_decay,
        )

        def falling(high: float) -> Any:
            return lambda step: cosine_rate(step, total, high=high, low=min(schedule.min_lr, high)) / high

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [falling(rate) for rate in rates])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _record(self, name: str, value: Tensor, batch: Batch) -> Tensor:
        self._means.add(name, value, batch.num_graphs)
        return value

    def _log_validation(self, name: str, value: Tensor, batch: Batch) -> None:
        self.log(name, value, batch_size=weight_of(batch, self.trainer), sync_dist=True)
