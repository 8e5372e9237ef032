"""One plain network on genes: the published encoder, and that of its successor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.normalized_network import NormalizedNetwork
from pyg_gears.encoders.registry import encoder_from_state, register_encoder

ARCHITECTURES: dict[str, type[ExpressionNetwork] | type[NormalizedNetwork]] = {
    "plain": ExpressionNetwork,
    "normalized": NormalizedNetwork,
}


@register_encoder
class PublishedEncoder(Encoder):
    r"""The output of one network on genes, as it is.

    .. math:: H = \mathrm{MLP}(f)

    Neither its length nor its axes are changed afterwards (:class:`~pyg_gears.encoders.LearnedEncoder` keeps directions on
    spatial axes only), so that the terms of its training which act on length and variance show in H.

    Args:
        front: What makes features f of expression: :class:`~pyg_gears.encoders.LogGenes` as published, or the successor's
            :class:`~pyg_gears.encoders.CenteredGenes`.
        network: The network, genes - 512 - 256 - 128 in both: :class:`~pyg_gears.encoders.NormalizedNetwork` as published, or a
            plain :class:`~pyg_gears.encoders.ExpressionNetwork`.

    Source: ``SharedEncoder`` of the GEARS method. The activation of the successor's is not stated there; ours is GELU.
    """

    type_name: ClassVar[str] = "published"

    def __init__(self, front: Encoder, network: ExpressionNetwork | NormalizedNetwork) -> None:
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
        """Embed every spot or cell, float32; the features are what the front makes of the genes.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        return self.embed_features(self.front.encode(slide))

    @torch.no_grad()
    def embed_features(self, features: Float[Tensor, "n g"]) -> EmbeddingOutput:
        """Embed spots of which the features are known already."""
        return EmbeddingOutput(self.network(features), features)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "front": dict(self.front.state()),
            "architecture": next(name for name, kind in ARCHITECTURES.items() if isinstance(self.network, kind)),
            "network": dict(self.network.state_dict()),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PublishedEncoder:
        """Build the encoder that :meth:`state` described."""
        network = ARCHITECTURES[state["architecture"]].from_state_dict(state["network"])
        return cls(encoder_from_state(state["front"]), network)
