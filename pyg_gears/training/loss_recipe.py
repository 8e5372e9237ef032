"""What a run can choose about the loss on the geometry."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.data.miniset_recipe import PairedViews


class DistillRecipe(Configuration):
    """A second pass on the true graph teaches the pass on the candidates (twice the time of a step)."""

    weight: float = Field(default=0.1, gt=0)
    """Weight of the distance between the two layouts."""
    kind: Literal["walk", "distances"] = "walk"
    """What is matched: one step of the random walk ("walk"), or "distances"."""


class OverlapRecipe(Configuration):
    """Minisets are drawn in pairs whose layouts shall agree on what they share, see :func:`pyg_gears.losses.overlap_consistency`.

    The weights rise late, because layouts of an untrained model hold nothing to agree on.
    """

    views: PairedViews = PairedViews()
    """How the pairs are drawn."""
    ratio: float = Field(default=0.1, ge=0)
    """Weight of the relative difference of distances. Not measured."""
    gram: float = Field(default=0.0, ge=0)
    """Weight of the Gram matrices. Published: 1, on latent layouts. Not measured."""
    size: float = Field(default=0.0, ge=0)
    """Weight of the size in the gauge, for views of one extent. Published: 0.5, on latent layouts. Not measured."""
    neighbors: float = Field(default=0.0, ge=0)
    """Weight of the neighbours. Published: 1, on latent layouts. Not measured."""
    tau: float = Field(default=0.5, gt=0)
    """Temperature of the neighbours, in squared radii of what is shared. Published value."""
    begin: float = Field(default=0.25, ge=0, le=1)
    """Share of a training's epochs before the weights rise from 0. Early stopping often ends a training at two fifths of them."""
    end: float = Field(default=0.5, ge=0, le=1)
    """Share of a training's epochs after which they are full."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.begin > self.end:
            raise ValueError(
                f"expected loss.overlap.begin at most end, found {self.begin:g} and {self.end:g}; change one."
            )
        if self.ratio + self.gram + self.size + self.neighbors == 0:
            raise ValueError(
                "expected a form of loss.overlap with a weight above 0, found none; raise ratio, gram, size or neighbors, or "
                "set loss.overlap to null."
            )
        return self


class LossRecipe(Configuration):
    """Weights of the geometry's loss terms; E_geo, by which models are chosen, is not affected.

    The gate's own losses are fields of the gate, see :mod:`pyg_gears.training.gate_recipe`.
    """

    random_walk: float = Field(default=0.3, ge=0)
    """Cap of the random-walk KL's weight. Published: 0.3 (one seed; more stress does as well as a higher cap)."""
    stress: float = Field(default=4.0, ge=0)
    """Weight of the stress. Chosen on unseen sections; published: 0.1 of the "log" kind."""
    stress_kind: Literal["linear", "log", "ratio", "local"] = "linear"
    """"linear" (share of the squared distances left unexplained), "log" (published), "ratio" or "local"."""
    repulsion: float = Field(default=0.01, ge=0)
    """Weight of the repulsion of random pairs. Published value."""
    entropy: float = Field(default=0.01, ge=0)
    """Weight of the row entropy. Published value."""
    deep: float = Field(default=0.0, ge=0)
    """Weight of the stress and random-walk terms on the coordinates of the earlier rounds, rising with the round; of
    models that have several rounds or steps. Not measured."""
    distill: DistillRecipe | None = None
    """Distillation of the layout on the true graph; none by default. Not measured."""
    overlap: OverlapRecipe | None = None
    """Agreement of two views of one place; none by default."""
