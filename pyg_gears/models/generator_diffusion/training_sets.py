"""What the published losses of one step are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.losses.latent import TrueEdges
from pyg_gears.losses.shared_points import SharedPoints


@dataclass(frozen=True)
class TrainingSets:
    """What a step is trained on, padded: context and generator's layout with gradients, and the truth.

    Attributes:
        h: Context, shape (b, m, c).
        base: The generator's layout, shape (b, m, d).
        target: True factor of the Gram matrix, shape (b, m, k).
        mask: Places that hold a node, shape (b, m); None where all do.
        edges: True edges, found in the target.
        shared: Points that two views share, if the batch has views.
    """

    h: Float[Tensor, "b m c"]
    base: Float[Tensor, "b m d"]
    target: Float[Tensor, "b m k"]
    mask: Bool[Tensor, "b m"] | None
    edges: TrueEdges
    shared: SharedPoints | None

    @property
    def sizes(self) -> Int[Tensor, " b"]:
        """Nodes of each set."""
        b, m, _ = self.base.shape
        return torch.full((b,), m, device=self.base.device) if self.mask is None else self.mask.sum(dim=1)
