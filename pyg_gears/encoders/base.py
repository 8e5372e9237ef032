"""What every encoder does, whether it was learned by gradient or in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide


@runtime_checkable
class Encoder(Protocol):
    """A frozen map from the expression of a slide (or of cells) to its embedding H.

    The map uses the slide's own gene statistics and nothing of its coordinates; the same input gives the same output.
    """

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        ...

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        ...

    def encode(self, slide: Slide) -> Float[Tensor, "n c"]:
        """Embed every spot or cell, float32."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Tensors and plain values from which the encoder can be built again."""
        ...
