"""Step sizes of the rounds that are learned."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter

from pyg_gears.errors import expect


class LearnedSteps(torch.nn.Module):
    r"""One step size per round, :math:`\eta_r = \mathrm{sigmoid}(\theta_r)`, all from the same value.

    Args:
        rounds: Number of rounds.
        start: First value of every step size, in (0, 1).

    Raises:
        InputError: for a first value outside (0, 1).
    """

    def __init__(self, rounds: int, start: float) -> None:
        super().__init__()
        expect(0 < start < 1, f"expected a first step size in (0, 1), found {start}; learned steps stay within.")
        self.start = start
        self.theta = Parameter(torch.empty(rounds))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Go back to the first value."""
        torch.nn.init.constant_(self.theta, math.log(self.start / (1 - self.start)))

    def forward(self) -> Float[Tensor, " rounds"]:
        """The step size of every round, in (0, 1)."""
        return self.theta.sigmoid()
