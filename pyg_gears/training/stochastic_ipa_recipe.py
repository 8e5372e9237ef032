"""What a run can choose about attention with stochastic recycling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.training.gate_recipe import EdgeGateRecipe, GateRecipe

if TYPE_CHECKING:
    from pyg_gears.models import StochasticIPA


class StochasticIPARecipe(Configuration):
    """:class:`pyg_gears.models.StochasticIPA`, attention rounds whose number is drawn in training."""

    kind: Literal["stochastic_ipa"] = "stochastic_ipa"
    recycles: int = Field(default=3, ge=1)
    """Most recycles."""
    blocks: int = Field(default=2, ge=1)
    """Blocks of a recycle. Published: 4 to 6."""
    hidden_channels: int = Field(default=64, ge=4, multiple_of=4)
    """Channels of the node state."""
    heads: int = Field(default=4, ge=1)
    """Attention heads."""
    head_channels: int = Field(default=16, ge=1)
    """Channels per head."""
    points: int = Field(default=16, ge=1)
    """Learned points of the set attention at the start."""
    step: float = Field(default=0.5, gt=0, lt=1)
    """First value of the gate on the coordinates' update."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the initial coordinates in training, in the unit of the raw guess."""
    depth_drop: float = Field(default=0.1, ge=0, lt=1)
    """Probability that a block is left out in training."""
    detach: bool = True
    """Take states and coordinates as given between recycles."""
    deep: float = Field(default=1.0, ge=0)
    """Weight of the stress of the earlier recycles."""
    kinetic: float = Field(default=0.01, ge=0)
    """Weight of the mean squared move from recycle to recycle."""
    gate: GateRecipe = EdgeGateRecipe()
    """The gate on the candidates."""

    def build(self, in_channels: int) -> StochasticIPA:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import StochasticIPA

        own = self.model_dump(exclude={"kind", "gate"})
        return StochasticIPA(in_channels, **own, beta=self.gate.beta, gate=self.gate.build(in_channels, self.heads))
