"""The one number that a denoiser's preconditioning needs: how large a residual is, measured once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SETS = 40


class ResidualScale(torch.nn.Module):
    """Root mean square of an element: of the targets at first, then, once and for good, of the residuals.

    Medians over 40 sets: the first ones for the targets, the latest for the residuals. The scale is a buffer and travels in
    checkpoints.
    """

    value: Tensor
    locked: Tensor
    count: Tensor
    targets: Tensor
    residuals: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(0.0))
        self.register_buffer("locked", torch.tensor(False))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("targets", torch.zeros(SETS))
        self.register_buffer("residuals", torch.zeros(SETS))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Forget everything that was measured."""
        for buffer in (self.locked, self.count, self.targets, self.residuals):
            buffer.zero_()
        self.value.fill_(0.15)  # a planar layout of radius 0.85 in 32 dimensions

    @torch.no_grad()
    def update(self, targets: Float[Tensor, " b"], residuals: Float[Tensor, " b"], lock: bool) -> None:
        """Take the sets of one step into account.

        Args:
            targets: Root mean square of an element of each set's target.
            residuals: The same of its residual.
            lock: Whether the time has come to measure the residuals.
        """
        if self.locked:
            return
        for target, residual in zip(targets.tolist(), residuals.tolist(), strict=True):
            seen = int(self.count)
            if seen < SETS:
                self.targets[seen] = target
            self.residuals[seen % SETS] = residual
            self.count += 1
        seen = min(int(self.count), SETS)
        if seen:
            self.value.copy_((self.residuals if lock else self.targets)[:seen].median().clamp(min=1e-4))
        self.locked.fill_(lock and seen > 0)
