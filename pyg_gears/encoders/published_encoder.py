"""The encoder as published: one plain network on all genes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.centered_genes import CenteredGenes
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.registry import register_encoder


@register_encoder
class PublishedEncoder(Encoder):
    r"""The output of one network on centred genes, as it is.

    .. math:: H = \mathrm{MLP}(X - \bar X_{slide} + \bar X)

    Neither its length nor its axes are changed afterwards (:class:`~pyg_gears.encoders.LearnedEncoder` keeps directions on
    spatial axes only), so that the terms of its training which act on length and variance show in H.

    Args:
        front: The centred genes.
        network: The network, genes - 512 - 256 - 128 as published.

    Source: ``SharedEncoder`` of the GEARS method. The activation is not stated there; ours is GELU.
    """

    type_name: ClassVar[str] = "published"

    def __init__(self, front: CenteredGenes, network: ExpressionNetwork) -> None:
        self.front = front
        self.network = network.eval().requires_grad_(False)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self.front.genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.network.out_channels

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell, float32; the features are the centred genes.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        return self.embed_features(self.front.encode(slide))

    @torch.no_grad()
    def embed_features(self, features: Float[Tensor, "n g"]) -> EmbeddingOutput:
        """Embed spots of which the centred genes are known already."""
        return EmbeddingOutput(self.network(features), features)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "front": dict(self.front.state()),
            "network": dict(self.network.state_dict()),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PublishedEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(CenteredGenes.from_state(state["front"]), ExpressionNetwork.from_state_dict(state["network"]))
