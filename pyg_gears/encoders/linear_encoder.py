"""What encoders that project genes on components have in common."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders.base import Encoder


class LinearEncoder(Encoder):
    """An encoder without networks, whose channels are components of its genes.

    A class sets ``_genes`` (g of them) and ``components``, shape (g, c).
    """

    _genes: tuple[str, ...]
    components: Float[Tensor, "g c"]

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.components.size(1)
