"""Post-hoc correction inside clusters of like spots: each gets the moments that it has on the training slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.registry import encoder_from_state, register_encoder
from pyg_gears.encoders.single_cell_adapter import SCAdapter
from pyg_gears.errors import expect

LEAST = 10
"""Spots of a group on a slide, below which it moves as the whole slide does."""


@register_encoder
class ConditionalAlignedEncoder(Encoder):
    r"""Correlation alignment (CORAL) of each cluster of like spots by itself.

    .. math:: h'_i = (h_i - \mu_{sk})\, C_{sk}^{-1/2} C_k^{1/2} + \mu_k, \quad k = \operatorname{argmin}_k \|g_i - c_k\|

    with g a guide embedding in which slides are alike, c the centres of k-means on it, :math:`\mu_{sk}, C_{sk}` of the cluster on
    the slide at hand and :math:`\mu_k, C_k` on the training slides, C pooled *within* slides. Slides that differ in composition
    keep that difference, which alignment of whole slides takes away. A cluster with fewer than ten spots on a slide moves as
    the whole slide does. One cluster is :class:`~pyg_gears.lab.encoders.aligned.AlignedEncoder`.

    Args:
        base: The encoder to correct.
        guide: The encoder whose clusters are used.
        centers: Centres of the clusters, shape (k, g).
        reference: Training embeddings, each cluster centred within slides, plus the cluster's mean, shape (n, c).
        cluster: Cluster of each row of ``reference``, shape (n,).
        overall: Training embeddings for whole slides, made as ``reference`` of a single cluster, shape (n, c).
    """

    type_name: ClassVar[str] = "conditionally aligned"

    def __init__(
        self,
        base: Encoder,
        guide: Encoder,
        centers: Float[Tensor, "k g"],
        reference: Float[Tensor, "n c"],
        cluster: Int[Tensor, " n"],
        overall: Float[Tensor, "n c"],
    ) -> None:
        self.base, self.guide, self.centers = base, guide, centers
        self.reference, self.cluster, self.overall = reference, cluster, overall

    @classmethod
    def fit(
        cls, base: Encoder, guide: Encoder, slides: Sequence[Slide], *, clusters: int, seed: int = 0
    ) -> ConditionalAlignedEncoder:
        """Cluster the training spots in the guide, and take each cluster's moments.

        Args:
            base: The encoder to correct, fitted on the slides.
            guide: The encoder whose clusters are used, fitted on the slides.
            slides: Training slides.
            clusters: Number of clusters, at most that of spots.
            seed: Seed of k-means.

        Raises:
            InputError: without a slide, or for fewer than one cluster.
        """
        from sklearn.cluster import KMeans

        expect(len(slides) > 0, "expected at least one training slide, found none; pass slides to fit on.")
        expect(clusters >= 1, f"expected at least one cluster, found {clusters}; ask for one or more.")
        g = torch.cat([guide.encode(slide) for slide in slides]).double().numpy()
        means = KMeans(min(clusters, len(g)), n_init=4, random_state=seed).fit(g)
        x = torch.cat([base.encode(slide) for slide in slides])
        number = torch.arange(len(slides)).repeat_interleave(torch.tensor([len(slide) for slide in slides]))
        cluster = torch.from_numpy(means.labels_.astype(np.int64))
        centers = torch.from_numpy(means.cluster_centers_)
        nothing = torch.zeros_like(cluster)
        return cls(base, guide, centers, _within(x, number, cluster), cluster, _within(x, number, nothing))

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order: those of the base, then what the guide reads besides."""
        return tuple(dict.fromkeys((*self.base.genes, *self.guide.genes)))

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
        nearest = torch.cdist(self.guide.encode(slide).double(), self.centers).argmin(dim=1)
        found = SCAdapter.fit(x, self.overall, steps=0)(x)
        for k in range(len(self.centers)):
            inside, there = nearest == k, self.reference[self.cluster == k]
            if all(len(rows) >= LEAST and bool((rows != rows[:1]).any()) for rows in (x[inside], there)):
                # Zero refinement steps leave the closed form: whitening and colouring, as for whole slides.
                found[inside] = SCAdapter.fit(x[inside], there, steps=0)(x[inside])
        return EmbeddingOutput(found, features)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "base": dict(self.base.state()),
            "guide": dict(self.guide.state()),
            "centers": self.centers,
            "reference": self.reference,
            "cluster": self.cluster,
            "overall": self.overall,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ConditionalAlignedEncoder:
        """Build the encoder that :meth:`state` described."""
        parts = (state[key] for key in ("centers", "reference", "cluster", "overall"))
        return cls(encoder_from_state(state["base"]), encoder_from_state(state["guide"]), *parts)


def _within(x: Float[Tensor, "n c"], number: Int[Tensor, " n"], cluster: Int[Tensor, " n"]) -> Float[Tensor, "n c"]:
    """Rows centred by cluster and slide, plus the mean of their cluster over all slides."""
    found = torch.empty_like(x)
    for k in cluster.unique():
        inside = cluster == k
        for one in number[inside].unique():
            rows = inside & (number == one)
            found[rows] = x[rows] - x[rows].mean(dim=0) + x[inside].mean(dim=0)
    return found
