"""The optimisation of the structure models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pyg_gears.configuration import Configuration


class Pretraining(Configuration):
    """Steps before the joint training, without attention: the gate alone, or the gate and the initial coordinates."""

    steps: int = Field(default=300, ge=1)
    """Steps at most. Published: 500 for EdgeGate; 2000 gained nothing for it and are the plan for GateFormer."""
    lr: float = Field(default=3e-3, gt=0)
    """Learning rate, falling by a cosine to ``training.min_lr``."""
    coordinates: bool = True
    """Train the initial coordinates too, on the stress. Published: false. Without, 150 joint steps do not reach them."""
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps between measurements of the gate's precision@30 on validation; training ends at the first one without a gain, and
    the best gate is kept. Published: on. None trains all steps. Not measured on its own."""


class TrainingRecipe(Configuration):
    """The optimisation."""

    epochs: int = Field(default=4, ge=1)
    """Passes over the minisets at most, of the models that hold spots out to calibrate confidence. Published: 12."""
    final_epochs: int = Field(default=6, ge=0)
    """Passes over the minisets of the models that are kept, which are trained from first weights on all slides, the held-out
    ones included, on an encoder that has seen them too. 0 keeps the models, and the encoder, that hold spots out. The gain is
    0.02 to 0.03 in mean Spearman on twelve unseen sections (docs/results.md)."""
    members: int = Field(default=1, ge=1)
    """Models trained with seeds of their own; the layout averages their distances. Published: 1."""
    seed: int = Field(default=0, ge=0)
    """Seed of everything: split, encoder, minisets, initial weights, order, augmentation."""
    lr: float = Field(default=2e-3, gt=0)
    """Learning rate of AdamW, falling by a cosine to ``min_lr``. One model, two epochs, mean of A, C, D: 0.660 with 2e-3, 0.655
    with 1e-3. Published: 5e-4."""
    h_noise: float = Field(default=0.4, ge=0)
    """Gaussian noise on H, in standard deviations of each dimension. Hippocampus 3: 0.7 is worse than 0.4 (E_geo 1.28, 1.23)."""
    slide_noise: float = Field(default=0.15, ge=0)
    """Gain and shift of each dimension of H that a whole miniset shares, in its standard deviations, as slides differ. E_geo
    on hippocampus 3 with 0.15, 0.3, 0.5, 0.8: 1.18, 1.13, 1.12, 1.25 (1 to 3 seeds). Published: 0."""
    h_dropout: float = Field(default=0.1, ge=0, le=0.95)
    """Share of the entries of H set to zero."""
    edge_drop: float = Field(default=0.1, ge=0, le=0.95)
    """Share of candidate pairs dropped (both directions together; no node loses its last). Published: 0.2."""
    edges: Literal["candidates", "true"] = "candidates"
    """Graph that messages travel on in training: the gated candidates, or the true neighbours without a gate (for
    experiments: there is no true graph at inference)."""
    pretraining: Pretraining | None = None
    """Training of the gate (and of the initial coordinates) before the joint training, of models with a gate; null for none:
    beside regressions it gains nothing (docs/defaults.md). Published: on."""
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs without the random-walk term. Published: 1."""
    ramp_epochs: float = Field(default=2.0, ge=0)
    """Epochs over which its weight then rises linearly to ``loss.random_walk``. Published: 6."""
    patience: int = Field(default=2, ge=1)
    """Epochs without a better E_geo on validation after which training stops, once the cap is reached. Published: 4."""
    checkpoint: Literal["any", "after_cap"] = "any"
    """Epochs whose state may be kept as the best: any (best final quality: E_geo on validation always has its full weights), or
    only those after the random-walk weight has reached its cap. Schedules must be compared with "after_cap"."""
    validation: int = Field(default=150, ge=1)
    """Fixed minisets of the held-out slides on which E_geo is measured."""
    node_budget: int = Field(default=1024, ge=1)
    """Nodes per batch at most."""
    devices: int = Field(default=1, ge=1)
    """Batches of ``node_budget`` nodes per step, whose gradients are averaged. The processes of a launcher share them; their
    number does not change the result. To keep the nodes per step, divide ``node_budget`` by it. Above 1 not measured on
    quality."""
    min_lr: float = Field(default=1e-5, ge=0)
    """Last learning rate."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Weight decay of AdamW."""
    clip: float = Field(default=1.0, ge=0)
    """Largest gradient norm; 0 does not clip."""

    @property
    def cap_epoch(self) -> float:
        """Epoch at which the random-walk weight reaches its cap, or the last one."""
        return min(self.warmup_epochs + self.ramp_epochs, float(self.epochs))
