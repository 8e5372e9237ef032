"""The embedding without learning: each slide's centred expression on common components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.centering import Normalization, center, gene_statistics, inverse_std, normalize_expression
from pyg_gears.encoders.components import (
    LATTICE_NEIGHBORS,
    Block,
    align_components,
    leading_value,
    mean_graph,
    neighbor_graph,
    principal_components,
    spatial_components,
)
from pyg_gears.encoders.smoothing import median_depth, smooth_shallow
from pyg_gears.errors import expect, nearest_name
from pyg_gears.graphs import knn
from pyg_gears.typing import FloatArray

KINDS = {"pca": principal_components, "spatial": spatial_components}
MAX_FIT_CELLS = 20_000
CELLS_WEIGHT = 0.5
FOLDS = 5


class PCAEncoder:
    r"""Project each slide's centred (or z-scored) genes on common components.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{slide})\, \mathrm{diag}(1/s_{slide})\, V

    with X the normalised expression, V the leading components over the training slides and :math:`\rho` one number that gives
    the training slides unit mean square. Cells with far fewer counts than the training spots are averaged with their
    neighbours in H (see :func:`smooth_shallow`). Mean and deviation are always the slide's own, so cells that come later are
    projected with theirs. When cells are given at fitting their expression weighs half as much as that of all slides
    together (they have no coordinates, so this leaks nothing).

    Args:
        genes: Genes read, in this order.
        components: V, shape (g, c).
        scale: The number :math:`\rho`.
        normalization: How counts are normalised and centred.
        depth: Median count of a training spot over these genes.
    """

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
        seed: int = 0,
    ) -> PCAEncoder:
        """Find the components of the training slides.

        Args:
            slides: Training slides, all on the same genes.
            cells: Cells without coordinates, on the same genes; at most 20,000 of them, drawn by ``seed``, are used.
            n_components: Channels of the embedding; fewer where genes, or four fifths of the spots, are fewer.
            kind: "pca", or "spatial" for components that vary smoothly over the tissue.
            normalization: How counts are normalised and centred.
            seed: Seed of the draw of cells.

        Returns:
            The encoder.

        Raises:
            InputError: without a slide, or for another kind.
        """
        return cls._fit(slides, cells, n_components, kind, normalization, seed)[0]

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
    ) -> tuple[PCAEncoder, list[Float[Tensor, "n c"]]]:
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
            seed: Also the seed of the fifths.

        Returns:
            The encoder (of all slides) and the cross-fitted embeddings of the training slides, shape (n, c) each.
        """
        encoder, values, blocks = cls._fit(slides, cells, n_components, kind, normalization, seed)
        full = encoder.components.double().numpy()
        variance = np.concatenate([(block @ full) for block in values]).var(axis=0)

        generator = np.random.default_rng(seed)
        folds = [generator.permutation(len(slide)) % FOLDS for slide in slides]
        parts = [np.empty((len(slide), full.shape[1])) for slide in slides]
        for number in range(FOLDS):
            rest = blocks[len(slides) :]
            for slide, value, fold in zip(slides, values, folds, strict=True):
                kept = fold != number
                assert slide.pos is not None
                rest = [*rest, Block(value[kept].astype(np.float64), neighbor_graph(slide.pos[kept]))]
            components = align_components(KINDS[kind](rest, full.shape[1]), full, variance)
            for value, fold, part in zip(values, folds, parts, strict=True):
                part[fold == number] = value[fold == number] @ components
        return encoder, [torch.from_numpy((part / encoder.scale).astype(np.float32)) for part in parts]

    @classmethod
    def _fit(
        cls,
        slides: Sequence[Slide],
        cells: Slide | None,
        n_components: int,
        kind: str,
        normalization: Normalization,
        seed: int,
    ) -> tuple[PCAEncoder, list[FloatArray], list[Block]]:
        expect(
            len(slides) > 0, "PCAEncoder expected at least one training slide, found none; pass the slides to fit on."
        )
        expect(
            kind in KINDS,
            f"expected components among {', '.join(KINDS)}, found {kind!r}{nearest_name(kind, KINDS)}; name one.",
        )
        values = [center(normalize_expression(slide, normalization), zscore=normalization.zscore) for slide in slides]
        # What is left when a fifth is set aside must still span the components.
        n_components = max(1, min(n_components, sum(len(slide) - -(-len(slide) // FOLDS) for slide in slides) - 1))
        blocks = []
        for slide, value in zip(slides, values, strict=True):
            assert slide.pos is not None
            blocks.append(Block(value.astype(np.float64), neighbor_graph(slide.pos)))
        if cells is not None:
            own = _cell_block(cells, n_components, normalization, seed)
            share = CELLS_WEIGHT * leading_value(blocks, KINDS[kind]) / leading_value([own], KINDS[kind])
            blocks.append(own._replace(weight=share))
        components = KINDS[kind](blocks, n_components)
        scale = float(np.sqrt(np.mean(np.concatenate([value @ components for value in values]) ** 2)))
        tensor = torch.from_numpy(components.astype(np.float32))
        depth = median_depth(slides)
        return cls(slides[0].genes, tensor, max(scale, 1e-12), normalization, depth), values, blocks

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.components.size(1)

    def encode(self, slide: Slide) -> Float[Tensor, "n c"]:
        """Embed every spot or cell, float32; the expression stays sparse throughout.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        slide = slide.subset_genes(self.genes)
        expression = normalize_expression(slide, self.normalization)
        statistics = gene_statistics(expression)
        weight = self.components.double().numpy() / self.scale
        if self.normalization.zscore:
            weight = inverse_std(statistics)[:, None] * weight
        x = torch.from_numpy((expression @ weight - statistics.mean @ weight).astype(np.float32))
        return smooth_shallow(x, median_depth([slide]) / max(self.depth, 1e-12))

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "type": "components",
            "genes": list(self.genes),
            "components": self.components,
            "scale": self.scale,
            "normalization": self.normalization._asdict(),
            "depth": self.depth,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PCAEncoder:
        """Build the encoder that :meth:`state` described."""
        normalization = Normalization(**state["normalization"])
        return cls(state["genes"], state["components"], state["scale"], normalization, state["depth"])


def _cell_block(cells: Slide, n_components: int, normalization: Normalization, seed: int) -> Block:
    """The cells' expression, with the neighbour graph of their own expression."""
    expression = normalize_expression(cells, normalization)
    if expression.shape[0] > MAX_FIT_CELLS:
        draw = np.random.default_rng(seed).choice(expression.shape[0], MAX_FIT_CELLS, replace=False)
        expression = expression[np.sort(draw)]
    values = center(expression, zscore=normalization.zscore)
    n = len(values)
    no_graph = sparse.csr_array((n, n))
    scores = values @ principal_components([Block(values, no_graph)], n_components)
    neighbors = knn(torch.from_numpy(scores.astype(np.float32)), LATTICE_NEIGHBORS, metric="cosine").index.numpy()
    return Block(values, mean_graph(neighbors))
