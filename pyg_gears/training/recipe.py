"""Everything that a training run can choose, field by field; the recipe travels inside the saved model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pyg_gears.configuration import Configuration
from pyg_gears.data.dataset import MinisetRecipe
from pyg_gears.errors import expect
from pyg_gears.training.configuration import check_choice, check_range, from_mapping, to_mapping
from pyg_gears.training.embedding_recipe import EmbeddingRecipe, LearnedEmbedding
from pyg_gears.training.model_recipe import GateRecipe, GraphRecipe, LossRecipe, ModelRecipe


class _Embedding(Configuration):
    embedding: EmbeddingRecipe = LearnedEmbedding()


@dataclass(frozen=True)
class TrainingRecipe:
    """The optimisation."""

    epochs: int = 12
    """Passes over the minisets at most."""
    warmup_epochs: float = 0.0
    """Epochs without the random-walk term."""
    ramp_epochs: float = 2.0
    """Epochs over which its weight then rises linearly to the cap."""
    pretrain_steps: int = 300
    """Steps in which first the gate and the initial coordinates are trained, without attention."""
    pretrain_lr: float = 3e-3
    """Learning rate of these steps."""
    lr: float = 5e-4
    """Learning rate of AdamW, falling by a cosine to ``min_lr``."""
    min_lr: float = 1e-5
    """Last learning rate."""
    weight_decay: float = 5e-4
    """Weight decay of AdamW."""
    clip: float = 1.0
    """Largest gradient norm."""
    node_budget: int = 1024
    """Nodes per batch at most."""
    h_noise: float = 0.4
    """Gaussian noise on H, in standard deviations of each dimension."""
    slide_noise: float = 0.15
    """Gain and shift of each dimension of H that a whole miniset shares, in its standard deviations: slides differ so."""
    h_dropout: float = 0.1
    """Share of the entries of H set to zero."""
    edge_drop: float = 0.1
    """Share of candidate pairs dropped (both directions together; no node loses its last)."""
    patience: int = 2
    """Epochs without a better E_geo on validation after which training stops, once the cap is reached."""
    validation: int = 150
    """Fixed minisets of the held-out slides on which E_geo is measured."""
    seed: int = 0
    """Seed of everything: minisets, initial weights, order, augmentation."""

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("pretrain_steps", 0), ("patience", 1), ("validation", 1), ("node_budget", 1)):
            check_range(f"training.{name}", getattr(self, name), low)
        for name in (
            "warmup_epochs",
            "ramp_epochs",
            "min_lr",
            "weight_decay",
            "clip",
            "h_noise",
            "slide_noise",
            "seed",
        ):
            check_range(f"training.{name}", getattr(self, name), 0)
        for name in ("h_dropout", "edge_drop"):
            check_range(f"training.{name}", getattr(self, name), 0, 0.95)
        for name in ("lr", "pretrain_lr"):
            value = getattr(self, name)
            expect(value > 0, f"expected training.{name} above 0, found {value}; change the recipe.")


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    embedding: EmbeddingRecipe = field(default_factory=lambda: LearnedEmbedding())
    minisets: MinisetRecipe = field(default_factory=lambda: MinisetRecipe(max_size=256))
    graph: GraphRecipe = field(default_factory=GraphRecipe)
    gate: GateRecipe = field(default_factory=GateRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    loss: LossRecipe = field(default_factory=LossRecipe)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """The recipe named "quick", "standard" or "thorough".

        On 2 cores and two sections of 1100 spots quick takes about two minutes and standard about twelve; thorough has twice the
        minisets and five members instead of three.

        Raises:
            InputError: for another name.
        """
        check_choice("a preset", name, tuple(PRESETS))
        return cls().change(PRESETS[name])

    def change(self, values: Mapping[str, Any]) -> Recipe:
        """A recipe with the named fields changed, for instance ``{"training": {"epochs": 20}}``."""
        if not isinstance(values, Mapping) or "embedding" not in values:
            return from_mapping(Recipe, values, self)
        embedding = _Embedding(embedding=self.embedding).change({"embedding": values["embedding"]}).embedding
        rest = {name: value for name, value in values.items() if name != "embedding"}
        return replace(from_mapping(Recipe, rest, self), embedding=embedding)

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, for JSON and YAML."""
        return {
            name: value.as_dict() if isinstance(value := getattr(self, name), Configuration) else to_mapping(value)
            for name in (field.name for field in fields(self))
        }


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "minisets": {"count": 200},
        "model": {"members": 1},
        "embedding": {"repeats": 1},
        "training": {"epochs": 8, "ramp_epochs": 4.0, "pretrain_steps": 200, "validation": 40},
    },
    "standard": {},
    "thorough": {"minisets": {"count": 2000}, "model": {"members": 5}},
}
"""What differs from the defaults, which are "standard"."""
