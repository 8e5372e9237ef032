"""How much each set counts in the denoising loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

CAP_MOMENTUM, RATIO_MOMENTUM = 0.98, 0.98
HIGH_SKIP, NARROW, STREAK, RAMP = 0.25, 0.1, 3, 200
BOOST, TAIL = 4.0, 2.0


class ScoreScale(torch.nn.Module):
    r"""The weights of the denoising errors: softly capped, and raised for the noisiest sets once the network is calibrated there.

    The raw weight w becomes :math:`k \tanh(w / k)` with k the moving average (0.98) of the batches' 95 % quantile. The noisiest
    quarter of a batch gets up to 4 times the weight, its noisiest twentieth twice that, over a ramp of 200 steps. The ramp begins
    when the moving average (0.98) of rms F / rms of its target at :math:`c_{skip} < 1/4` has stayed within 10 % of one for three
    steps.
    """

    cap: Tensor
    ratio: Tensor
    streak: Tensor
    boosted: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("cap", torch.tensor(0.0))
        self.register_buffer("ratio", torch.tensor(0.0))
        self.register_buffer("streak", torch.tensor(0))
        self.register_buffer("boosted", torch.tensor(0))

    def reset_parameters(self) -> None:
        """Forget what was measured."""
        for buffer in self.buffers():
            buffer.zero_()

    @torch.no_grad()
    def update(self, weight: Float[Tensor, " b"], log_ratio: Float[Tensor, " h"]) -> None:
        """Take one step into account.

        Args:
            weight: Raw weights of the batch.
            log_ratio: Logarithm of rms F / rms of its target, of the sets at high noise; may be empty.
        """
        now = weight.quantile(0.95)
        self.cap.copy_(now if self.cap == 0 else CAP_MOMENTUM * self.cap + (1 - CAP_MOMENTUM) * now)
        if self.boosted > 0:
            self.boosted += 1
            return
        if len(log_ratio):
            found = log_ratio.mean().exp()
            self.ratio.copy_(found if self.ratio == 0 else RATIO_MOMENTUM * self.ratio + (1 - RATIO_MOMENTUM) * found)
            near = bool(self.ratio.log().abs() < NARROW)
            self.streak.copy_(self.streak + 1 if near else torch.zeros_like(self.streak))
        self.boosted.fill_(int(self.streak >= STREAK))

    def weights(self, weight: Float[Tensor, " b"], sigma: Float[Tensor, " b"], boost: bool) -> Float[Tensor, " b"]:
        """The weights of the batch.

        Args:
            weight: Raw weights.
            sigma: Noise levels.
            boost: Whether the noisiest sets are raised.
        """
        soft = weight if self.cap == 0 else self.cap * torch.tanh(weight / self.cap)
        if not boost or self.boosted == 0:
            return soft
        ramp = min(1.0, float(self.boosted) / RAMP)
        factor = torch.ones_like(soft)
        factor[self.noisiest(sigma, 0.25)] = BOOST
        factor[self.noisiest(sigma, 0.05)] *= TAIL
        return soft * (1 + ramp * (factor - 1))

    @property
    def is_boosting(self) -> bool:
        """Whether the ramp has begun."""
        return bool(self.boosted > 0)

    @staticmethod
    def noisiest(sigma: Float[Tensor, " b"], share: float) -> Tensor:
        """Numbers of the noisiest sets, at least one."""
        return sigma.argsort(descending=True)[: max(1, round(share * len(sigma)))]
