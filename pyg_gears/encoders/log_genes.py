"""Genes as they are: normalised, not centred."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.centering import Normalization, normalize_expression
from pyg_gears.encoders.registry import register_encoder


@register_encoder
class LogGenes(Encoder):
    r"""Normalised expression without any statistics of the slide.

    .. math:: H = \log(1 + N X / \textstyle\sum_g X)

    The batch effect between slides stays in it: it is for networks that are trained to ignore it. Everything else starts from
    :class:`~pyg_gears.encoders.CenteredGenes`.

    Args:
        genes: Genes read, in this order.
        normalization: How counts are normalised.
    """

    type_name: ClassVar[str] = "log_genes"

    def __init__(self, genes: Sequence[str], normalization: Normalization) -> None:
        self._genes = tuple(genes)
        self.normalization = normalization

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Number of genes."""
        return len(self._genes)

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Normalised genes of every spot or cell, float32. No network: the features are ``x``.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        x = torch.from_numpy(normalize_expression(slide.subset_genes(self.genes), self.normalization).toarray())
        return EmbeddingOutput(x, x)

    def state(self) -> Mapping[str, Any]:
        """Plain values for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "genes": list(self.genes),
            "normalization": self.normalization._asdict(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LogGenes:
        """Build the encoder that :meth:`state` described."""
        return cls(state["genes"], Normalization(**state["normalization"]))
