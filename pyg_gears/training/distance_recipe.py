"""What a run can choose about the models that are built on distances, and about the least of all models."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.training.set_recipe import SetRecipe

if TYPE_CHECKING:
    from pyg_gears.models import CoordinateMLP, DistanceEGNN, DistanceMDS


class CoordinateMLPRecipe(Configuration):
    """:class:`pyg_gears.models.CoordinateMLP`, a place from each embedding without a neighbour: what the others must beat."""

    reads_edges: ClassVar[bool] = False
    """The true graph would change nothing for it."""

    kind: Literal["coordinate_mlp"] = "coordinate_mlp"
    hidden_channels: int = Field(default=64, ge=1)
    """Channels of the hidden layer."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the coordinates in training, in the unit of the raw guess."""

    def build(self, in_channels: int) -> CoordinateMLP:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import CoordinateMLP

        return CoordinateMLP(in_channels, self.hidden_channels, self.noise)


class DistanceEGNNRecipe(Configuration):
    """:class:`pyg_gears.models.DistanceEGNN`, distances with their uncertainty and coordinates that follow them."""

    kind: Literal["distance_egnn"] = "distance_egnn"
    hidden_channels: int = Field(default=32, ge=1)
    """Channels of states and messages."""
    steps: int = Field(default=4, ge=1)
    """Rounds of messages and springs. Published: 6 to 8."""
    neighbors: int = Field(default=24, ge=1)
    """Candidates that send messages to a node: those with the least predicted distance."""
    step: float = Field(default=0.3, gt=0, lt=1)
    """Share of the way of a spring step that every round starts from."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the initial coordinates in training, in the unit of the raw guess."""
    likelihood: float = Field(default=0.1, ge=0)
    """Weight of the likelihood of true distances."""
    spread: float = Field(default=0.01, ge=0)
    """Weight of the variance of the log-variances."""
    triangle: float = Field(default=0.1, ge=0)
    """Weight of the triangle inequality on 1000 triples a batch."""
    cycle: float = Field(default=0.1, ge=0)
    """Weight of the agreement of coordinates and distances."""

    def build(self, in_channels: int) -> DistanceEGNN:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import DistanceEGNN

        return DistanceEGNN(in_channels, **self.model_dump(exclude={"kind"}))


class DistanceMDSRecipe(SetRecipe):
    """:class:`pyg_gears.models.DistanceMDS`, distances to landmarks and a closed-form layout."""

    reads_edges: ClassVar[bool] = False
    """The true graph would change nothing for it."""

    kind: Literal["distance_mds"] = "distance_mds"
    noise: float = Field(default=0.1, ge=0)
    """Scale of the distances' own deviation in further samples (``reconstruct --samples``). At 1, two samples of a miniset of
    her2st B4 had a Procrustes disparity of 0.96."""
    likelihood: float = Field(default=0.1, ge=0)
    """Weight of the likelihood of true distances."""
    spread: float = Field(default=0.01, ge=0)
    """Weight of the variance of the log-variances."""
    triangle: float = Field(default=0.1, ge=0)
    """Weight of the triangle inequality on 1000 triples a batch."""

    def build(self, in_channels: int) -> DistanceMDS:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import DistanceMDS

        return DistanceMDS(in_channels, **self.model_dump(exclude={"kind"}))
