"""Post-hoc correction of any embedding: each slide's mean and covariance are made those of the training slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.registry import encoder_from_state, register_encoder
from pyg_gears.encoders.single_cell_adapter import SCAdapter
from pyg_gears.errors import expect


@register_encoder
class AlignedEncoder(Encoder):
    r"""Correlation alignment (CORAL) on top of a fitted encoder.

    .. math:: H' = (H - \mu_s)\, C_s^{-1/2} C^{1/2} + \mu

    with :math:`\mu_s, C_s` of the slide at hand and :math:`\mu, C` of the training slides, C pooled *within* slides. Uses no
    coordinates, so an unseen slide is aligned by itself.

    Args:
        base: The encoder to correct.
        reference: Training embeddings whose mean and covariance every slide gets, shape (n, c).
    """

    type_name: ClassVar[str] = "aligned"

    def __init__(self, base: Encoder, reference: Float[Tensor, "n c"]) -> None:
        self.base = base
        self.reference = reference

    @classmethod
    def fit(cls, base: Encoder, slides: Sequence[Slide]) -> AlignedEncoder:
        """Take the mean and the within-slide covariance of the training slides as reference.

        Raises:
            InputError: without a slide.
        """
        expect(len(slides) > 0, "expected at least one training slide, found none; pass slides to fit on.")
        embedded = [base.encode(slide) for slide in slides]
        overall = torch.cat(embedded).mean(dim=0)
        return cls(base, torch.cat([x - x.mean(dim=0) for x in embedded]) + overall)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self.base.genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.base.out_channels

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell and align the result.

        Raises:
            InputError: when the slide lacks genes of the encoder, or has fewer than two spots that differ.
        """
        x, features = self.base.embed(slide)
        # Zero refinement steps leave the closed form: the whitening and colouring above.
        return EmbeddingOutput(SCAdapter.fit(x, self.reference, steps=0)(x), features)

    def state(self) -> Mapping[str, Any]:
        """State of the base encoder, and the reference."""
        return {"type": self.type_name, "base": dict(self.base.state()), "reference": self.reference}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AlignedEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(encoder_from_state(state["base"]), state["reference"])
