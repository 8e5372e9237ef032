"""Genes themselves as features: centred on each slide, nothing projected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.centering import Normalization, center, normalize_expression
from pyg_gears.errors import expect


class CenteredGenes:
    r"""Each slide's centred (or z-scored) genes, over one number that gives the training slides unit mean square.

    The input of the plain expression encoder. On few slides a network on thousands of genes learns the training spots by
    heart; components (:class:`~pyg_gears.encoders.PCAEncoder`) before the network prevent most of it.

    Args:
        genes: Genes read, in this order.
        scale: Root mean square of the centred training values.
        normalization: How counts are normalised and centred.
    """

    def __init__(self, genes: Sequence[str], scale: float, normalization: Normalization) -> None:
        self._genes = tuple(genes)
        self.scale = float(scale)
        self.normalization = normalization

    @classmethod
    def fit_transform(
        cls, slides: Sequence[Slide], *, normalization: Normalization
    ) -> tuple[CenteredGenes, list[Float[Tensor, "n g"]]]:
        """The encoder of the training slides, and their embeddings.

        Args:
            slides: Training slides, all on the same genes.
            normalization: How counts are normalised and centred.

        Raises:
            InputError: without a slide.
        """
        expect(
            len(slides) > 0,
            "CenteredGenes expected at least one training slide, found none; pass the slides to fit on.",
        )
        values = [center(normalize_expression(slide, normalization), zscore=normalization.zscore) for slide in slides]
        square = sum(float(np.square(value, dtype=np.float64).sum()) for value in values)
        scale = max((square / sum(value.size for value in values)) ** 0.5, 1e-12)
        return cls(slides[0].genes, scale, normalization), [torch.from_numpy(value / scale).float() for value in values]

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Number of genes."""
        return len(self._genes)

    def encode(self, slide: Slide) -> Float[Tensor, "n g"]:
        """Centred genes of every spot or cell, float32.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        expression = normalize_expression(slide.subset_genes(self.genes), self.normalization)
        return torch.from_numpy(center(expression, zscore=self.normalization.zscore) / self.scale).float()

    def state(self) -> Mapping[str, Any]:
        """Plain values for :meth:`from_state`."""
        return {
            "type": "genes",
            "genes": list(self.genes),
            "scale": self.scale,
            "normalization": self.normalization._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CenteredGenes:
        """Build the encoder that :meth:`state` described."""
        return cls(state["genes"], state["scale"], Normalization(**state["normalization"]))
