"""Layouts by simple regressions on the slides, which vote beside the structure models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from pyg_gears import graphs
from pyg_gears.baselines import PlaceRegression
from pyg_gears.data import EmbeddedSlide, Slide
from pyg_gears.encoders import ComponentEncoder, Normalization
from pyg_gears.layout.patch_predictor import WeightedLayout
from pyg_gears.seeds import child_seed
from pyg_gears.training.regression_recipe import RegressionRecipe

COMPONENTS = 20
NORMALIZATION = Normalization(1e4, "sqrt")
SMOOTHING = 10


@dataclass(frozen=True, eq=False)
class Regressions:
    """kNN regression on H and kernel ridge regression on principal components, both fitted on the spots of slides.

    In the layout by kNN every cell then takes the mean place of itself and its 9 nearest cells of the query in H: what the
    query's own expression knows of neighbourhood (13 unseen sections of hippocampus, tumour and simulated layers, quick, seed 0,
    mean: Spearman 0.608 to 0.614, Trust@20 0.807 to 0.818, recall@15 0.209 to 0.223). The kernel ridge is not smoothed: alone it
    gains, among the voters it loses.

    Attributes:
        knn: On H; None for a weight of 0.
        kernel_ridge: On ``components``; None for a weight of 0.
        components: Principal components of the slides.
        weights: Weight of each.
    """

    knn: PlaceRegression | None
    kernel_ridge: PlaceRegression | None
    components: ComponentEncoder
    weights: RegressionRecipe

    @classmethod
    def fit(
        cls, weights: RegressionRecipe, slides: Sequence[Slide], embedded: Sequence[EmbeddedSlide], *, seed: int = 0
    ) -> Regressions:
        """Fit both on the same slides.

        Args:
            weights: Which regressions, and how much they count.
            slides: Counts of the slides, on the genes of the encoder.
            embedded: Their embeddings and coordinates, in the same order, spot by spot.
            seed: Draws the spots of slides beyond 4000 that the kernel ridge keeps.
        """
        components = ComponentEncoder.fit(slides, n_components=COMPONENTS, kind="pca", normalization=NORMALIZATION)
        own = [(components.embed(slide).x, one.pos) for slide, one in zip(slides, embedded, strict=True)]
        return cls(
            PlaceRegression.fit("knn", [(one.x, one.pos) for one in embedded]) if weights.knn else None,
            PlaceRegression.fit("kernel_ridge", own, seed=child_seed(seed, "regressions"))
            if weights.kernel_ridge
            else None,
            components,
            weights,
        )

    def layouts(
        self,
        cells: Slide,
        x: Float[torch.Tensor, "n c"],
        inside: Bool[np.ndarray, " m"] | None = None,
        *,
        borrow: bool = False,
    ) -> list[WeightedLayout]:
        """Lay cells out.

        Args:
            cells: Their counts; with ``inside`` those of a whole slide, whose mean centres expression.
            x: Their embedding H, shape (n, c).
            inside: Which of ``cells`` are to be laid out, shape (m,), n of them; all if omitted.
            borrow: Average shallow cells with their neighbours on the components, see :meth:`~pyg_gears.encoders.Encoder.borrow`.

        Returns:
            One layout per regression, shape (n, 2).
        """
        found = []
        if self.knn is not None:
            pos = self.knn.layout(x)
            near = graphs.knn(x, min(SMOOTHING, len(x)) - 1, metric="cosine").index.numpy()
            pos = (pos + pos[near].sum(axis=1)) / (near.shape[1] + 1)
            found.append(WeightedLayout(pos, self.weights.knn))
        if self.kernel_ridge is not None:
            embedded = self.components.embed(cells)
            if borrow:
                embedded = self.components.borrow(embedded, self.components.depth_ratio(cells))
            own = embedded.x
            own = own if inside is None else own[torch.from_numpy(inside)]
            found.append(WeightedLayout(self.kernel_ridge.layout(own), self.weights.kernel_ridge))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors for :meth:`from_state_dict`."""
        return {
            "knn": None if self.knn is None else self.knn.state_dict(),
            "kernel_ridge": None if self.kernel_ridge is None else self.kernel_ridge.state_dict(),
            "components": dict(self.components.state()),
            "weights": self.weights.as_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Regressions:
        """The regressions that :meth:`state_dict` described."""
        knn, ridge = (
            None if state[name] is None else PlaceRegression.from_state_dict(state[name])
            for name in ("knn", "kernel_ridge")
        )
        return cls(
            knn, ridge, ComponentEncoder.from_state(state["components"]), RegressionRecipe.read(state["weights"])
        )
