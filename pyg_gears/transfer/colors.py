"""Colours of one shape in the manner of another."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def match_colors(colors: Float[Tensor, "N c"], reference: Float[Tensor, "M c"]) -> Float[Tensor, "N c"]:
    r"""Colours moved to the mean and the spread of a reference, channel by channel.

    .. math:: c' = \mu_r + (c - \mu) \, \sigma_r / \sigma

    clipped to the range of the reference; a channel without spread becomes the reference's mean.

    Args:
        colors: Shape (N, c).
        reference: Shape (M, c).

    Returns:
        Colours (N, c).

    Source: Reinhard et al., Color transfer between images, 2001, in the given channels instead of l-alpha-beta.
    """
    mean, spread = colors.mean(dim=0), colors.std(dim=0, correction=0)
    scale = torch.where(
        spread > 1e-9, reference.std(dim=0, correction=0) / spread.clamp(min=1e-9), torch.zeros_like(spread)
    )
    moved = reference.mean(dim=0) + (colors - mean) * scale
    return torch.minimum(torch.maximum(moved, reference.amin(dim=0)), reference.amax(dim=0))
