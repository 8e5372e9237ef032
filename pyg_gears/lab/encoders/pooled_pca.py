"""The embedding without any correction: one mean for all slides, so that what a slide adds to every gene stays in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput
from pyg_gears.encoders.centering import Normalization, normalize_expression
from pyg_gears.encoders.components import principal_components
from pyg_gears.encoders.linear_encoder import LinearEncoder
from pyg_gears.encoders.registry import register_encoder
from pyg_gears.errors import expect


@register_encoder
class PooledPCAEncoder(LinearEncoder):
    r"""Project all slides on the components of their pooled expression, minus one common mean.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{train})\, V

    The baseline for batch effects; :class:`~pyg_gears.encoders.ComponentEncoder` subtracts each slide's own mean instead.

    Args:
        genes: Genes read, in this order.
        components: V, shape (g, c).
        mean: Mean normalised expression over the training spots, shape (g,).
        scale: The number :math:`\rho` that gives the training slides unit mean square.
        normalization: How counts are normalised.
    """

    type_name: ClassVar[str] = "pooled PCA"

    def __init__(
        self,
        genes: Sequence[str],
        components: Float[Tensor, "g c"],
        mean: Float[Tensor, " g"],
        scale: float,
        normalization: Normalization,
    ) -> None:
        self._genes = tuple(genes)
        self.components = components
        self.mean = mean
        self.scale = float(scale)
        self.normalization = normalization

    @classmethod
    def fit(
        cls, slides: Sequence[Slide], *, n_components: int, normalization: Normalization | None = None
    ) -> PooledPCAEncoder:
        """Find the components of the pooled training slides.

        Args:
            slides: Training slides, all on the same genes.
            n_components: Channels of the embedding; fewer where spots or genes are fewer.
            normalization: How counts are normalised.

        Raises:
            InputError: without a slide.
        """
        expect(len(slides) > 0, "expected at least one training slide, found none; pass slides to fit on.")
        normalization = normalization or Normalization()
        values = np.concatenate([normalize_expression(slide, normalization).toarray() for slide in slides])
        mean = values.mean(axis=0, dtype=np.float64)
        centred = values - mean
        components = principal_components(centred, n_components)
        scale = max(float(np.sqrt(np.mean((centred @ components) ** 2))), 1e-12)
        return cls(
            slides[0].genes,
            torch.from_numpy(components.astype(np.float32)),
            torch.from_numpy(mean),
            scale,
            normalization,
        )

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell, float32.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        expression = normalize_expression(slide.subset_genes(self.genes), self.normalization)
        weight = self.components.double().numpy() / self.scale
        x = torch.from_numpy((expression @ weight - self.mean.numpy() @ weight).astype(np.float32))
        return EmbeddingOutput(x, x)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "genes": list(self.genes),
            "components": self.components,
            "mean": self.mean,
            "scale": self.scale,
            "normalization": self.normalization._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PooledPCAEncoder:
        """Build the encoder that :meth:`state` described."""
        normalization = Normalization(**state["normalization"])
        return cls(state["genes"], state["components"], state["mean"], state["scale"], normalization)
