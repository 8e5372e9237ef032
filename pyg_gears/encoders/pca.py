"""Principal components of slide-wise centred expression: the embedding without learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears._checks import expect
from pyg_gears.data.slide import Slide
from pyg_gears.encoders.centering import center, gene_statistics, inverse_std, normalize_expression

MAX_FIT_CELLS = 20_000


class PCAEncoder:
    r"""Project each slide's centred (or z-scored) genes on common principal components.

    .. math:: H = \tfrac1\rho\, (X - \bar X_{slide})\, \mathrm{diag}(1/s_{slide})\, V

    with X the normalised expression (square root or log1p of counts per 10,000), V the leading components over the training slides (and the cells, when given: they have no
    coordinates, so this leaks nothing) and :math:`\rho` one number that gives H unit mean square. Mean and deviation are always
    the slide's own, so cells that come later are projected with theirs.

    Args:
        genes: Genes read, in this order.
        components: V transposed, shape (c, g).
        scale: The number :math:`\rho`.
        zscore: Whether genes are divided by their standard deviation on the slide.
        transform: "sqrt" or "log1p" of counts per 10,000.

    Source: Pearson, On lines and planes of closest fit, 1901; per-slide centring as in the GEARS method.
    """

    def __init__(
        self, genes: Sequence[str], components: Float[Tensor, "c g"], scale: float, zscore: bool, transform: str
    ) -> None:
        self._genes = tuple(genes)
        self.components = components
        self.scale = float(scale)
        self.zscore = bool(zscore)
        self.transform = transform

    @classmethod
    def fit(
        cls,
        slides: Sequence[Slide],
        cells: Slide | None = None,
        *,
        n_components: int,
        zscore: bool,
        transform: str,
        seed: int = 0,
    ) -> PCAEncoder:
        """Find the components of the training slides, and of the cells' expression when given.

        Args:
            slides: Training slides, all on the same genes.
            cells: Cells without coordinates, on the same genes; at most 20,000 of them, drawn by ``seed``, are used.
            n_components: Channels of the embedding; fewer where spots or genes are fewer.
            zscore: Divide genes by their standard deviation on each slide.
            transform: "sqrt" or "log1p" of counts per 10,000.
            seed: Seed of the randomised solver and of the draw of cells.

        Returns:
            The encoder.
        """
        from sklearn.decomposition import PCA

        expect(len(slides) > 0, "PCAEncoder expected at least one training slide, found none; pass the slides to fit on.")
        genes = slides[0].genes
        blocks = [center(normalize_expression(slide, transform), zscore=zscore) for slide in slides]
        if cells is not None:
            expression = normalize_expression(cells, transform)
            if expression.shape[0] > MAX_FIT_CELLS:
                draw = np.random.default_rng(seed).choice(expression.shape[0], MAX_FIT_CELLS, replace=False)
                expression = expression[np.sort(draw)]
            blocks.append(center(expression, zscore=zscore))
        values = np.concatenate(blocks)
        pca = PCA(min(n_components, *values.shape), random_state=seed).fit(values)
        components = torch.from_numpy(pca.components_.astype(np.float32))
        scale = float(np.sqrt(np.mean(pca.explained_variance_)))
        return cls(genes, components, max(scale, 1e-12), zscore, transform)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes the encoder reads, in its order."""
        return self._genes

    @property
    def out_channels(self) -> int:
        """Channels c of the embedding."""
        return self.components.size(0)

    def encode(self, slide: Slide) -> Float[Tensor, "n c"]:
        """Embed every spot or cell, float32; the expression stays sparse throughout.

        Raises:
            InputError: when the slide lacks genes of the encoder.
        """
        expression = normalize_expression(slide.subset_genes(self.genes), self.transform)
        statistics = gene_statistics(expression)
        weight = self.components.double().numpy().T / self.scale
        if self.zscore:
            weight = inverse_std(statistics)[:, None] * weight
        return torch.from_numpy((expression @ weight - statistics.mean @ weight).astype(np.float32))

    def state(self) -> Mapping[str, Any]:
        """Plain values and tensors for :meth:`from_state`."""
        return {
            "kind": "pca",
            "genes": list(self.genes),
            "components": self.components,
            "scale": self.scale,
            "zscore": self.zscore,
            "transform": self.transform,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PCAEncoder:
        """Build the encoder that :meth:`state` described."""
        return cls(state["genes"], state["components"], state["scale"], state["zscore"], state["transform"])
