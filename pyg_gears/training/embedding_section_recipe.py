"""What all kinds of embedding choose: genes, their normalisation, the adapter, and a section that two kinds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pyg_gears.configuration import Configuration

if TYPE_CHECKING:
    from pyg_gears.encoders import AdapterWeights, Normalization

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Dropout = Annotated[float, Field(ge=0, le=0.95)]
AtLeastOne = Annotated[int, Field(ge=1)]
AtLeastTwo = Annotated[int, Field(ge=2)]


class VICRegRecipe(Configuration):
    """VICReg between two noisy views, without a projector; the inner weights are those published."""

    weight: Positive = 1.0
    """Weight of the three terms together."""
    invariance: NonNegative = 25.0
    """Weight of the invariance term, reached after ``invariance_warmup``."""
    variance: NonNegative = 50.0
    """Weight of the variance term."""
    covariance: NonNegative = 1.0
    """Weight of the covariance term."""
    invariance_warmup: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the steps over which the invariance weight rises linearly from 0."""


class AdapterRecipe(Configuration):
    """The adapter that is fitted from the cells, when there are any, to the training spots."""

    coral: NonNegative = 10.0
    """Weight of the difference of covariances, as published."""
    mmd: NonNegative = 10.0
    """Weight of the difference of distributions, as published."""
    identity: NonNegative = 0.1
    """Weight of the mean squared movement; 1 as published outweighs both distances and undoes part of the closed form."""
    steps: Annotated[int, Field(ge=0)] = 500
    """Adam steps after the closed form, as published."""
    lr: Positive = 1e-3
    """Learning rate of these steps, as published."""

    @property
    def weights(self) -> AdapterWeights:
        """The weights of its terms."""
        from pyg_gears.encoders import AdapterWeights

        return AdapterWeights(self.coral, self.mmd, self.identity)


class EmbeddingSection(Configuration):
    """What all kinds of embedding choose."""

    genes: AtLeastTwo | None = 3000
    """Genes read: the most variable ones of the training slides; null for all shared genes."""
    target_sum: Positive = 1000.0
    """Counts per spot after scaling; log1p of a small sum keeps the noise of rare genes low."""
    transform: Literal["log1p", "sqrt"] = "log1p"
    """Of the scaled counts."""
    adapter: AdapterRecipe | None = AdapterRecipe()
    """The adapter of cells; null for none. It is applied to cells that differ from the training spots by their depth alone."""

    @property
    def normalization(self) -> Normalization:
        """How counts are normalised."""
        from pyg_gears.encoders import Normalization

        return Normalization(self.target_sum, self.transform)
