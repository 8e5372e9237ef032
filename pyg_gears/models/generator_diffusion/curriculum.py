"""How high the noise may be at a time of the training."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pyg_gears.models.generator_diffusion.competence import Competence

CAPS = (1.0, 2.0, 3.0, 4.0)
"""Largest noise level of each stage, in data scales."""
HIGH_SHARES = (0.2, 0.3, 0.4, 0.5)
"""Share of the sets that are drawn near it."""

Promotion = Literal["budget", "competence"]
"""What ends a stage: its share of the steps, or what the denoiser can do."""


class Curriculum(torch.nn.Module):
    """Four stages of rising noise. Stage, step and plan are buffers and travel in checkpoints.

    By *budget*, a stage ends after max(``min_steps``, 0.8 / 3 of the planned steps): a fifth of the run is spent at the top. By
    *competence*, :class:`Competence` promotes, and demotes where the structure is lost. In both, the cap then moves linearly
    to the stage's over ``ramp`` steps.

    Args:
        promotion: "budget" or "competence".
        min_steps: Least steps of a stage, by budget.
        ramp: Steps over which the cap moves.
        every: Steps between two judgements, by competence.

    Source: published, where the judge of the competence is written but never handed to the training.
    """

    step: Tensor
    planned: Tensor
    stage: Tensor
    entered: Tensor
    before: Tensor

    def __init__(
        self, promotion: Promotion = "budget", min_steps: int = 500, ramp: int = 300, every: int = 100
    ) -> None:
        super().__init__()
        self.promotion, self.min_steps, self.ramp, self.every = promotion, min_steps, ramp, every
        self.competence = Competence() if promotion == "competence" else None
        for name in ("step", "planned", "stage", "entered"):
            self.register_buffer(name, torch.tensor(0))
        self.register_buffer("before", torch.tensor(CAPS[0]))

    def reset_parameters(self) -> None:
        """Start again, without a plan."""
        for buffer in (self.step, self.planned, self.stage, self.entered):
            buffer.zero_()
        self.before.fill_(CAPS[0])
        if self.competence is not None:
            self.competence.reset_parameters()

    @property
    def progress(self) -> float:
        """Share of the planned steps that are done, 0..1."""
        return min(1.0, int(self.step) / max(1, int(self.planned)))

    @property
    def cap(self) -> float:
        """The largest noise level now, in data scales."""
        share = min(1.0, (int(self.step) - int(self.entered)) / self.ramp) if self.ramp and self.entered > 0 else 1.0
        return float(self.before) + share * (CAPS[int(self.stage)] - float(self.before))

    @property
    def high_share(self) -> float:
        """Share of the sets drawn near the cap now."""
        return HIGH_SHARES[int(self.stage)]

    def advance(self, *, jaccard: float | None, size: float | None) -> None:
        """Finish a step.

        Args:
            jaccard: Overlap of predicted and true neighbours at high noise in this step, 0..1; None where no set had high noise.
            size: Predicted over true radius of these sets.
        """
        self.step += 1
        if self.competence is None:
            length = max(self.min_steps, 0.8 * int(self.planned) / 3)
            self._enter(min(len(CAPS) - 1, int(int(self.step) / length)))
            return
        if jaccard is not None and size is not None:
            self.competence.measure(jaccard, size)
        if int(self.step) % self.every == 0:
            move = self.competence.judge(int(self.stage))
            self._enter(min(len(CAPS) - 1, max(0, int(self.stage) + move)))

    def _enter(self, stage: int) -> None:
        if stage != int(self.stage):
            self.before.fill_(self.cap)
            self.entered.copy_(self.step)
            self.stage.fill_(stage)
