"""Which sets of a batch are clean enough for a loss on the geometry."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

LENGTH = 8192
WARMUP = 200
EVERY = 50
MOMENTUM = 0.9
LEAST = 4


class NoiseGate(torch.nn.Module):
    r"""Lets the cleanest share of the recent sets pass, and at least four of every batch.

    A set's score is :math:`-\ln c_{skip}`. For the first 200 steps all pass; then every 50 steps the quantile of the last 8192
    scores moves the threshold, by a moving average of 0.9.

    Args:
        shares: Share q that passes, by the name of a loss.
    """

    scores: Tensor
    count: Tensor
    steps: Tensor
    threshold: Tensor

    def __init__(self, shares: dict[str, float]) -> None:
        super().__init__()
        self.shares = dict(shares)
        self.register_buffer("scores", torch.zeros(LENGTH))
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("threshold", torch.zeros(len(shares)))

    def reset_parameters(self) -> None:
        """Forget all scores."""
        for buffer in self.buffers():
            buffer.zero_()

    @torch.no_grad()
    def update(self, score: Float[Tensor, " b"]) -> None:
        """Remember the scores of one step."""
        place = (int(self.count) + torch.arange(len(score), device=score.device)) % LENGTH
        self.scores[place] = score.to(self.scores.dtype)
        self.count += len(score)
        self.steps += 1
        if int(self.steps) % EVERY == 0 and self.shares:
            seen = self.scores[: min(int(self.count), LENGTH)]
            share = torch.tensor(list(self.shares.values()), dtype=seen.dtype, device=seen.device)
            now = seen.quantile(share)
            first = int(self.steps) == EVERY
            self.threshold.copy_(now if first else MOMENTUM * self.threshold + (1 - MOMENTUM) * now)

    def passes(self, name: str, score: Float[Tensor, " b"], eligible: Bool[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """The sets that a loss sees.

        Args:
            name: The loss.
            score: Scores of the batch, shape (b,).
            eligible: Sets that may pass at all, shape (b,).
        """
        if int(self.steps) <= WARMUP:
            return eligible
        clean = eligible & (score <= self.threshold[list(self.shares).index(name)])
        ranked = score.masked_fill(~eligible, torch.inf).argsort()[:LEAST]
        return clean | (eligible & torch.zeros_like(eligible).index_fill(0, ranked, True))
