"""The embedding without learning: each slide's centred expression on common components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import EmbeddingOutput
from pyg_gears.encoders.centered_operator import centered_operator
from pyg_gears.encoders.centering import Normalization, gene_statistics, normalize_expression, project_expression
from pyg_gears.encoders.components import (
    LATTICE_NEIGHBORS,
    Block,
    align_components,
    kept_graph,
    kept_spots,
    leading_components,
    leading_value,
    mean_graph,
    principal_components,
)
from pyg_gears.encoders.linear_encoder import LinearEncoder
from pyg_gears.encoders.registry import register_encoder
from pyg_gears.encoders.smoothing import borrowed_depths, cell_depths, median_depth, smooth_shallow
from pyg_gears.errors import expect, nearest_name
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs import knn
from pyg_gears.seeds import random_stream
from pyg_gears.typing import FloatArray, IntArray

KINDS = ("pca", "spatial")
CELLS_WEIGHT = 0.5
FOLDS = 5


@register_encoder
class ComponentEncoder(LinearEncoder):
    r"""Project each slide's centred genes on common components.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{slide})\, V

    with X the normalised expression, V the leading components over the training slides and :math:`\rho` one number that gives
    the training slides unit mean square. Cells with far fewer counts than the training spots can be averaged with their
    neighbours in H (:meth:`borrow`). The mean is always the slide's own, so cells that come later are projected with theirs.
    When cells are given at fitting their expression weighs half as much as that of all slides together (they have no
    coordinates, so this leaks nothing).

    Args:
        genes: Genes read, in this order.
        components: V, shape (g, c).
        scale: The number :math:`\rho`.
        normalization: How counts are normalised.
        depth: Median count of a training spot over these genes.
    """

    type_name: ClassVar[str] = "components"

    def __init__(
        self,
        genes: Sequence[str],
        components: Float[Tensor, "g c"],
        scale: float,
        normalization: Normalization,
        depth: float,
    ) -> None:
        self._genes = tuple(genes)
        self.components = components
        self.scale = float(scale)
        self.normalization = normalization
        self.depth = float(depth)

    @classmethod
    def fit(
        cls,
        slides: Sequence[Slide],
        cells: Slide | None = None,
        *,
        n_components: int,
        kind: str,
        normalization: Normalization,
    ) -> ComponentEncoder:
        """Find the components of the training slides.

        Args:
            slides: Training slides, all on the same genes.
            cells: Cells without coordinates, on the same genes.
            n_components: Channels of the embedding; fewer where genes, or four fifths of the spots, are fewer.
            kind: "pca", or "spatial" for components that vary smoothly over the tissue.
            normalization: How counts are normalised.

        Returns:
            The encoder.

        Raises:
            InputError: without a slide, for another kind, or for a number of components below 1.
        """
        return _fit(slides, cells, n_components, kind, normalization, [])[0]

    @classmethod
    def fit_transform(
        cls,
        slides: Sequence[Slide],
        cells: Slide | None = None,
        *,
        n_components: int,
        kind: str,
        normalization: Normalization,
        seed: int = 0,
    ) -> tuple[ComponentEncoder, list[Float[Tensor, "n c"]]]:
        """:meth:`fit`, and the training slides as the encoder would embed them had it not seen them.

        A few hundred spots in thousands of genes are overfitted: on its own training slides an embedding is sharper than it
        will ever be on new cells, and a model trained on it learns to trust noise. So each fifth of the training spots is
        embedded by components of the other four, rotated onto the final ones.

        Args:
            slides: As in :meth:`fit`.
            cells: As in :meth:`fit`.
            n_components: As in :meth:`fit`.
            kind: As in :meth:`fit`.
            normalization: As in :meth:`fit`.
            seed: Seed of the fifths.

        Returns:
            The encoder (of all slides) and the cross-fitted embeddings of the training slides, shape (n, c) each.
        """
        generator = random_stream(seed, "component folds")
        folds = [generator.permutation(len(slide)) % FOLDS for slide in slides]
        encoder, (full, *others), values = _fit(slides, cells, n_components, kind, normalization, folds)
        variance = np.concatenate([np.asarray(part @ full) for part in values]).var(axis=0)
        aligned = np.hstack([align_components(other, full, variance) for other in others])
        crossed = []
        for part, fold in zip(values, folds, strict=True):
            scores = np.asarray(part @ aligned).reshape(len(fold), FOLDS, -1)[np.arange(len(fold)), fold]
            crossed.append(torch.from_numpy((scores / encoder.scale).astype(np.float32)))
        return encoder, crossed

    def embed(self, slide: Slide) -> EmbeddingOutput:
        """Embed every spot or cell, float32; a few thousand of them are normalised at a time. No network: the features are ``x``.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        weight = self.components.double().numpy() / self.scale
        values = project_expression(slide.subset_genes(self.genes), weight, self.normalization)
        x = torch.from_numpy(values.astype(np.float32))
        return EmbeddingOutput(x, x)

    def borrow(self, embedded: EmbeddingOutput, depth_ratio: float) -> EmbeddingOutput:
        """Shallow cells averaged with their neighbours, see ``pyg_gears.encoders.smoothing.smooth_shallow``."""
        x = smooth_shallow(embedded.x, depth_ratio)
        return embedded if x is embedded.x else EmbeddingOutput(x, x)

    def depths(self, slide: Slide) -> Float[np.ndarray, " n"]:
        """Counts that the place of every spot or cell rests on, those that it can borrow from neighbours included."""
        slide = slide.subset_genes(self.genes)
        return borrowed_depths(cell_depths(slide), self._ratio(slide))

    def depth_ratio(self, slide: Slide) -> float:
        """Median count of the spots or cells over that of the training spots, in the encoder's genes."""
        return self._ratio(slide.subset_genes(self.genes))

    def _ratio(self, slide: Slide) -> float:
        """The same for a slide that has the encoder's genes alone: to choose them takes a copy of the counts."""
        return median_depth([slide]) / max(self.depth, 1e-12)

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": self.type_name,
            "genes": list(self.genes),
            "components": self.components,
            "scale": self.scale,
            "normalization": self.normalization._asdict(),
            "depth": self.depth,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ComponentEncoder:
        """Build the encoder that :meth:`state` described."""
        normalization = Normalization(**state["normalization"])
        return cls(state["genes"], state["components"], state["scale"], normalization, state["depth"])


def _centered(expression: sparse.csr_array) -> LinearOperator:
    return centered_operator(expression, gene_statistics(expression).mean)


def _fit(
    slides: Sequence[Slide],
    cells: Slide | None,
    n_components: int,
    kind: str,
    normalization: Normalization,
    folds: Sequence[IntArray],
) -> tuple[ComponentEncoder, list[FloatArray], list[LinearOperator]]:
    """The encoder, the components of all spots and of those outside each fold, and the slides' centred expression.

    The mean of a slide is that of all of its spots, in each fold.
    """
    expect(len(slides) > 0, "expected at least one training slide, found none; pass the slides to fit on.")
    check_sizes(n_components=n_components)
    expect(
        kind in KINDS,
        f"expected components among {', '.join(KINDS)}, found {kind!r}{nearest_name(kind, KINDS)}; name one.",
    )
    # What is left when a fifth is set aside must still span the components.
    n_components = max(1, min(n_components, sum(len(slide) - -(-len(slide) // FOLDS) for slide in slides) - 1))
    blocks = []
    for place, slide in enumerate(slides):
        assert slide.pos is not None
        kept = [np.ones(len(slide), dtype=bool), *(folds[place] != fold for fold in range(FOLDS) if folds)]
        forms = [kept_graph(slide.pos, part) if kind == "spatial" else kept_spots(part) for part in kept]
        blocks.append(Block(_centered(normalize_expression(slide, normalization)), forms))
    values = [block.values for block in blocks]
    if cells is not None:
        own = _centered(normalize_expression(cells, normalization))
        everything = kept_spots(np.ones(len(cells), dtype=bool))
        form = _expression_graph(own, n_components) if kind == "spatial" else everything
        block = Block(own, [form] * len(blocks[0].forms))
        blocks.append(block._replace(weight=CELLS_WEIGHT * leading_value(blocks) / leading_value([block])))
    components = leading_components(blocks, n_components)
    scores = np.concatenate([np.asarray(part @ components[0]) for part in values])
    scale = max(float(np.sqrt(np.mean(scores**2))), 1e-12)
    tensor = torch.from_numpy(components[0].astype(np.float32))
    return ComponentEncoder(slides[0].genes, tensor, scale, normalization, median_depth(slides)), components, values


def _expression_graph(values: LinearOperator, n_components: int) -> sparse.csr_array:
    """The neighbour graph of cells by their centred expression, shape (n, n)."""
    scores = np.asarray(values @ principal_components(values, n_components))
    neighbors = knn(torch.from_numpy(scores.astype(np.float32)), LATTICE_NEIGHBORS, metric="cosine").index.numpy()
    return mean_graph(neighbors)
