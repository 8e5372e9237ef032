"""What every encoder does, whether it was learned by gradient or in closed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.smoothing import cell_depths


class EmbeddingOutput(NamedTuple):
    """A slide as an encoder sees it.

    Attributes:
        x: The embedding H, shape (n, c).
        features: What the encoder's networks read, shape (n, f); ``x`` itself where there are none. Networks that answer
            with a direction do so for any input; whether expression has structure, and whether cells resemble the training
            spots, is still visible in the features.
    """

    x: Float[Tensor, "n c"]
    features: Float[Tensor, "n f"]


@runtime_checkable
class Encoder(Protocol):
    """A frozen map from the expression of a slide (or of cells) to its embedding H.

    The map uses the slide's own gene statistics and nothing of its coordinates; the same input gives the same output.
    A class implements :meth:`embed`, its channels and its state; it inherits from the protocol for the rest, and joins
    :func:`~pyg_gears.encoders.encoder_from_state` by :func:`~pyg_gears.encoders.register_encoder`.
    """

    type_name: ClassVar[str]
    """Name under which states of this class are stored."""

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        ...

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        ...

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embedding and features of every spot or cell, float32; the slide is normalised once for both.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        ...

    def encode(self, slide: Slide) -> Float[Tensor, "n c"]:
        """The embedding alone; see :meth:`embed`."""
        return self.embed(slide).x

    def features(self, slide: Slide) -> Float[Tensor, "n f"]:
        """The features alone; see :meth:`embed`."""
        return self.embed(slide).features

    def borrow(self, embedded: EmbeddingOutput, depth_ratio: float) -> EmbeddingOutput:
        """The embedding with the features of shallow cells averaged with those of their neighbours, where the encoder does so.

        Args:
            embedded: What :meth:`embed` gave.
            depth_ratio: See :meth:`depth_ratio`; nothing changes from 0.5 on.
        """
        return embedded

    def depths(self, slide: Slide) -> Float[np.ndarray, " n"]:
        """Counts that the place of every spot or cell rests on, those that it can borrow from neighbours included."""
        return cell_depths(slide.subset_genes(self.genes))

    def depth_ratio(self, slide: Slide) -> float:
        """Median count of the spots or cells over that of the training spots; 1 unless the encoder knows the latter."""
        return 1.0

    def state(self) -> Mapping[str, Any]:
        """Tensors and plain values for :meth:`from_state`, with the name of the class under ``type``."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Build the encoder that :meth:`state` described."""
        ...
