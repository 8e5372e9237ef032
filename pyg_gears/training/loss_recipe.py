"""What a run can choose about the loss on the geometry."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pyg_gears.configuration import Configuration


class DistillRecipe(Configuration):
    """A second pass on the true graph teaches the pass on the candidates (twice the time of a step)."""

    weight: float = Field(default=0.1, gt=0)
    """Weight of the distance between the two layouts."""
    kind: Literal["walk", "distances"] = "walk"
    """What is matched: one step of the random walk ("walk"), or "distances"."""


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
    """Weight of the stress and random-walk terms on the coordinates of the earlier rounds, rising with the round. Not
    measured."""
    distill: DistillRecipe | None = None
    """Distillation of the layout on the true graph; none by default. Not measured."""
