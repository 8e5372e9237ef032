"""Whether a denoiser is ready for more noise."""

from __future__ import annotations

import torch
from torch import Tensor

JACCARD, TOLERANCE, MOMENTUM = 0.10, 0.95, 0.8
WINDOW, NEEDED, STALLS = 6, 5, 6
SIZE = (0.85, 0.80, 0.75, 0.70)


class Competence(torch.nn.Module):
    """Judges the denoiser at the highest noise of its stage: structure and size.

    The *structure* passes where the Jaccard overlap of predicted and true neighbours is at least 0.10 and not falling (not below
    95 % of its moving average). A stage is passed when the structure passed in 5 of the last 6 judgements and the predicted
    radius is at least 0.85, 0.80, 0.75, 0.70 of the true one, by stage. (The published limits of the trace, its square, are 0.69,
    0.61, 0.53, 0.45: any such radius keeps them.) After 6 judgements in a row whose structure failed the stage is left downwards.

    Each judgement is of the mean over the steps since the last one, on the training sets themselves. That, the moving average and
    its 95 % are ours; the source names neither the sets nor the interval.
    """

    passed: Tensor
    average: Tensor
    judged: Tensor
    stalls: Tensor
    sums: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passed", torch.zeros(WINDOW))
        self.register_buffer("average", torch.tensor(0.0))
        self.register_buffer("judged", torch.tensor(0))
        self.register_buffer("stalls", torch.tensor(0))
        self.register_buffer("sums", torch.zeros(3))

    def reset_parameters(self) -> None:
        """Forget everything."""
        for buffer in self.buffers():
            buffer.zero_()

    def measure(self, jaccard: float, size: float) -> None:
        """Add what one step showed.

        Args:
            jaccard: Overlap of neighbours, 0..1.
            size: Predicted over true radius.
        """
        self.sums += torch.tensor([jaccard, size, 1.0], device=self.sums.device)

    def judge(self, stage: int) -> int:
        """Judge what was measured since the last time: 1 (next stage), 0 (stay) or -1 (back).

        Args:
            stage: Stage, from 0.
        """
        jaccard_sum, size_sum, count = self.sums.tolist()
        self.sums.zero_()
        if count == 0:
            return 0
        jaccard, size = jaccard_sum / count, size_sum / count
        average = float(self.average) if self.judged > 0 else jaccard
        fine = jaccard >= JACCARD and jaccard >= TOLERANCE * average
        self.average.fill_(MOMENTUM * average + (1 - MOMENTUM) * jaccard)
        self.passed[int(self.judged) % WINDOW] = float(fine)
        self.judged += 1
        self.stalls.copy_(torch.zeros_like(self.stalls) if fine else self.stalls + 1)
        if float(self.passed.sum()) >= NEEDED and size >= SIZE[stage]:
            self._start_again()
            return 1
        if int(self.stalls) >= STALLS:
            self._start_again()
            return -1
        return 0

    def _start_again(self) -> None:
        for buffer in (self.passed, self.average, self.judged, self.stalls):
            buffer.zero_()
