"""A gate that reads a projection of the embedding."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.checked_nodes import checked_nodes


class ProjectedGate(Module):
    r"""Any gate, on a fixed linear projection of the embedding.

    .. math:: g = \mathrm{Gate}(x P)

    P is a buffer: it is set once (:meth:`set_projection`) and travels with the model's state. It starts as the first d
    columns of the identity.

    Args:
        gate: Gate on d channels: (x (n, d), edge_index (2, e), batch) -> logits.
        in_channels: Channels c of the embedding.
        channels: Channels d of the projection.

    >>> from pyg_gears.nn import EdgeGate
    >>> gate = ProjectedGate(EdgeGate(2), in_channels=8, channels=2)
    >>> gate(torch.randn(3, 8), torch.tensor([[0, 1, 2], [1, 0, 2]])).shape
    torch.Size([3])
    """

    projection: Tensor

    def __init__(self, gate: Module, in_channels: int, channels: int) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, channels=channels)
        self.gate = gate
        self.register_buffer("projection", torch.eye(in_channels, channels))

    def set_projection(self, projection: Float[Tensor, "c d"]) -> None:
        """Take over P.

        Args:
            projection: P, shape (c, d).

        Raises:
            InputError: when it has another shape.
        """
        expected, found = tuple(self.projection.shape), tuple(projection.shape)
        expect(expected == found, f"expected a projection of shape {expected}, found {found}; learn it for this gate.")
        self.projection.copy_(projection.detach())

    def reset_parameters(self) -> None:
        """Draw the gate's parameters again; P, which is not learned here, stays."""
        reset = getattr(self.gate, "reset_parameters", None)
        if reset is not None:
            reset()

    def forward(
        self, x: Float[Tensor, "n c"], edge_index: Int[Tensor, "2 e"], batch: Int[Tensor, " n"] | None = None
    ) -> Float[Tensor, " e"] | Float[Tensor, "e h"]:
        """Gate every edge.

        Args:
            x: Embedding, shape (n, c).
            edge_index: Edges, shape (2, e).
            batch: Graph of each node, shape (n,).

        Returns:
            The gate's logits.

        Raises:
            InputError: when ``x`` has another number of channels or another type.
        """
        x = checked_nodes(x, self.projection.size(0), self.projection)
        with torch.autocast(x.device.type, enabled=False):
            projected = x @ self.projection
        logits: Tensor = self.gate(projected, edge_index, batch)
        return logits
