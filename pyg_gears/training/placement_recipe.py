"""What a run can choose about the models that decode an operator, or place one group of nodes after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyg_gears.training.set_recipe import SetRecipe

if TYPE_CHECKING:
    from pyg_gears.models import OperatorNet, PlaceNet


class OperatorNetRecipe(SetRecipe):
    """:class:`pyg_gears.models.OperatorNet`, transition probabilities first and a layout decoded from them."""

    kind: Literal["operator_net"] = "operator_net"
    latent_channels: int = Field(default=8, ge=1)
    """Channels of the noise that every layout draws anew."""
    decoder: Literal["springs", "spectral", "diffusion"] = "springs"
    """From operator to layout: eigenvectors ("spectral"), diffusion coordinates, or springs from the first."""
    spring_steps: int = Field(default=12, ge=0)
    """Steps of the springs. Published: 50."""
    noise: float = Field(default=0.3, ge=0)
    """Standard deviation of that noise, in training and in further samples."""
    walk: float = Field(default=0.3, ge=0)
    """Weight of the random-walk KL on the operator itself."""
    gap: float = Field(default=0.01, ge=0)
    """Weight of the eigengap. Published: 0.01."""
    entropy: float = Field(default=0.05, ge=0)
    """Weight of the difference of the rows' entropies from the true ones."""
    cycle: float = Field(default=0.05, ge=0)
    """Weight of the KL from the operator to that of the layout."""

    def build(self, in_channels: int) -> OperatorNet:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import OperatorNet

        return OperatorNet(in_channels, **self.model_dump(exclude={"kind"}))


class PlaceNetRecipe(SetRecipe):
    """:class:`pyg_gears.models.PlaceNet`, autoregressive placement."""

    kind: Literal["place_net"] = "place_net"
    group: int = Field(default=32, ge=1)
    """Nodes placed at once. Published: 16 to 64."""
    noise: float = Field(default=1.0, ge=0)
    """Scale of the placements' own deviation, in training and in further samples."""
    entropy: float = Field(default=0.003, ge=0)
    """Weight of the placements' entropy."""
    first: float = Field(default=1.0, ge=0)
    """Weight of the stress of the first guess."""

    def build(self, in_channels: int) -> PlaceNet:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import PlaceNet

        return PlaceNet(in_channels, **self.model_dump(exclude={"kind"}))
