"""A linear layer whose first weights come from a generator, so that no global random state is touched."""

from __future__ import annotations

import torch
from torch import nn


def seeded_linear(
    in_channels: int, out_channels: int, *, bias: bool = True, generator: torch.Generator | None = None
) -> nn.Linear:
    r"""``torch.nn.Linear`` with weights and bias uniform in :math:`\pm 1 / \sqrt{\text{in\_channels}}`, PyTorch's own start.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        bias: Whether there is a bias.
        generator: Source of the weights, on the CPU; the global one if omitted.
    """
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, in_channels, out_channels, bias=bias)
    bound = in_channels**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
