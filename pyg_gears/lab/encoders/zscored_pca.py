"""The embedding of genes that are divided by their standard deviation after centring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput
from pyg_gears.encoders.centering import center, normalize_expression
from pyg_gears.encoders.components import principal_components
from pyg_gears.encoders.linear_encoder import LinearEncoder
from pyg_gears.encoders.registry import register_encoder
from pyg_gears.errors import expect


@register_encoder
class ZScoredPCAEncoder(LinearEncoder):
    r"""Project each slide's z-scored genes on common principal components.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{slide})\, \mathrm{diag}(1/s_{slide})\, V

    Args:
        genes: Genes read, in this order.
        components: V, shape (g, c).
        scale: The number :math:`\rho` that gives the training slides unit mean square.
    """

    type_name: ClassVar[str] = "z-scored PCA"

    def __init__(self, genes: Sequence[str], components: Float[Tensor, "g c"], scale: float) -> None:
        self._genes = tuple(genes)
        self.components = components
        self.scale = float(scale)

    @classmethod
    def fit(cls, slides: Sequence[Slide], *, n_components: int) -> ZScoredPCAEncoder:
        """Find the components of the training slides.

        Args:
            slides: Training slides, all on the same genes.
            n_components: Channels of the embedding; fewer where spots or genes are fewer.

        Raises:
            InputError: without a slide.
        """
        expect(len(slides) > 0, "expected at least one training slide, found none; pass slides to fit on.")
        values = np.concatenate([center(normalize_expression(slide), zscore=True) for slide in slides])
        values = values.astype(np.float64)
        components = principal_components(values, n_components)
        scale = max(float(np.sqrt(np.mean((values @ components) ** 2))), 1e-12)
        return cls(slides[0].genes, torch.from_numpy(components.astype(np.float32)), scale)

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell, float32.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        values = center(normalize_expression(slide.subset_genes(self.genes)), zscore=True)
        x = torch.from_numpy(values) @ self.components / self.scale
        return EmbeddingOutput(x, x)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "genes": list(self.genes),
            "components": self.components,
            "scale": self.scale,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ZScoredPCAEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(state["genes"], state["components"], state["scale"])
