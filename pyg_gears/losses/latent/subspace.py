"""How flat a set of points is."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of


def variance_outside_plane(v: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None = None) -> Float[Tensor, " b"]:
    r"""Share of the variance outside the two largest axes, :math:`1 - \sum_{a \leq 2} \lambda_a / \sum_a \lambda_a`.

    Args:
        v: Points of padded sets, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    s = shape_of(v, mask, fixed_size=True)
    spread = torch.linalg.eigvalsh(s.transpose(1, 2) @ s)  # ascending
    return spread[:, : max(0, spread.size(1) - 2)].sum(dim=1) / spread.sum(dim=1).clamp(min=1e-8)
