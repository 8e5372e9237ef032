"""Genes themselves as features: centred on each slide, nothing projected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.centering import Normalization, center, normalize_expression
from pyg_gears.encoders.registry import register_encoder
from pyg_gears.errors import expect


@register_encoder
class CenteredGenes(Encoder):
    r"""Each slide's centred genes, shifted and scaled alike on all slides.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{slide} + m)

    The input of the plain expression encoders. On few slides a network on thousands of genes memorises the training spots;
    components (:class:`~pyg_gears.encoders.ComponentEncoder`) before the network prevent most of it.

    Args:
        genes: Genes read, in this order.
        mean: What every slide's genes have as their mean, m, shape (g,).
        scale: The number :math:`\rho`.
        normalization: How counts are normalised.
    """

    type_name: ClassVar[str] = "genes"

    def __init__(
        self, genes: Sequence[str], mean: Float[Tensor, " g"], scale: float, normalization: Normalization
    ) -> None:
        self._genes = tuple(genes)
        self.mean = mean
        self.scale = float(scale)
        self.normalization = normalization

    @classmethod
    def fit_transform(
        cls, slides: Sequence[Slide], *, normalization: Normalization, unit: bool = True
    ) -> tuple[CenteredGenes, list[Float[Tensor, "n g"]]]:
        r"""The encoder of the training slides, and their embeddings.

        Args:
            slides: Training slides, all on the same genes.
            normalization: How counts are normalised.
            unit: True: m = 0, and :math:`\rho` gives the training slides unit mean square. False: the published input, m
                the mean over all training spots and :math:`\rho = 1`, so that values stay log-expression.

        Raises:
            InputError: without a slide.
        """
        expect(
            len(slides) > 0,
            "expected at least one training slide, found none; pass the slides to fit on.",
        )
        expressions = [normalize_expression(slide, normalization) for slide in slides]
        values = [center(expression) for expression in expressions]
        size = sum(len(value) for value in values)
        mean, scale = np.zeros(values[0].shape[1]), 1.0
        if unit:
            square = sum(float(np.square(value, dtype=np.float64).sum()) for value in values)
            scale = max((square / (size * len(mean))) ** 0.5, 1e-12)
        else:
            for expression in expressions:
                mean += np.asarray(expression.sum(axis=0), dtype=np.float64).reshape(-1) / size
        encoder = cls(slides[0].genes, torch.from_numpy(mean).float(), scale, normalization)
        return encoder, [encoder._shifted(value) for value in values]

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Number of genes."""
        return len(self._genes)

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Centred genes of every spot or cell, float32. No network: the features are ``x``.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        x = self._shifted(center(normalize_expression(slide.subset_genes(self.genes), self.normalization)))
        return EmbeddingOutput(x, x)

    def state(self) -> Mapping[str, Any]:
        """Tensors and plain values for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "genes": list(self.genes),
            "mean": self.mean,
            "scale": self.scale,
            "normalization": self.normalization._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CenteredGenes:
        """Build the encoder that :meth:`state` described."""
        return cls(state["genes"], state["mean"], state["scale"], Normalization(**state["normalization"]))

    def _shifted(self, centred: Float[np.ndarray, "n g"]) -> Tensor:
        return (torch.from_numpy(centred) + self.mean) / self.scale
