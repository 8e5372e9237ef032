"""The simple regressions whose layouts vote beside the structure models."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration


class RegressionRecipe(Configuration):
    """Regressions from expression to place on all slides, the held-out ones included; the structure models weigh 1 together.

    Structure model : kNN : kernel ridge, mean Spearman / Trust@20 of thirteen unseen sections (quick, seed 0): 1 : 0 : 0 has
    0.561 / 0.778, 3 : 1 : 0.5 has 0.576 / 0.786, 1.5 : 1 : 0.5 has 0.579 / 0.789, 1 : 1 : 0.5 has 0.580 / 0.790. Hippocampus 4,
    where the structure model alone is the best, has 0.690, 0.688, 0.677 and 0.667 (Spearman).
    """

    knn: Annotated[float, Field(ge=0)] = 0.7
    """Weight of the distances of kNN regression on H."""
    kernel_ridge: Annotated[float, Field(ge=0)] = 0.35
    """Weight of the distances of kernel ridge regression on principal components of the slides."""

    @model_validator(mode="after")
    def _has_a_weight(self) -> Self:
        if self.knn == self.kernel_ridge == 0:
            raise ValueError(
                "expected regressions.knn or regressions.kernel_ridge above 0, found neither; set regressions to null."
            )
        return self
