"""A classifier of domains (slides, or spots and cells) that the encoder is trained against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from pyg_gears.encoders.gradient_reversal import reverse_gradient
from pyg_gears.encoders.seeded_linear import seeded_linear


class DomainAdversary(nn.Module):
    r"""Classify domains by their embedding, and push the embedding to make that impossible.

    .. math:: -\frac1D \sum_d \frac1{n_d} \sum_{i \in d} \log p_d(x_i)

    Args:
        in_channels: Channels of the embedding.
        domains: Number D of domains.
        hidden_channels: Width of the classifier.
        generator: Source of the first weights, on the CPU; the global one if omitted.
    """

    def __init__(
        self,
        in_channels: int,
        domains: int,
        hidden_channels: int = 64,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.domains = domains
        self.classifier = nn.Sequential(
            seeded_linear(in_channels, hidden_channels, generator=generator),
            nn.ReLU(),
            seeded_linear(hidden_channels, domains, generator=generator),
        )

    def forward(self, x: Float[Tensor, "n c"], domain: Int[Tensor, " n"], strength: float = 1.0) -> Float[Tensor, ""]:
        """Cross-entropy of the classifier, domains of any size counting alike.

        The classifier's own gradient descends, that of ``x`` ascends.

        Args:
            x: Embedding, shape (n, c).
            domain: Number of each row's domain, below D, shape (n,).
            strength: Weight of the reversed gradient.
        """
        size = torch.bincount(domain, minlength=self.domains).to(x)
        weight = torch.where(size > 0, 1 / size.clamp(min=1), 0.0)
        return F.cross_entropy(self.classifier(reverse_gradient(x, strength)), domain, weight=weight)
