"""What a run can choose about the models that move a first guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.training.set_recipe import SetRecipe

if TYPE_CHECKING:
    from pyg_gears.models import GradientFlow, LayoutSDE, WassersteinFlow


class MovingRecipe(Configuration):
    """What all models have that move along a thinned graph."""

    hidden_channels: int = Field(default=32, ge=1)
    """Channels of states and messages."""
    neighbors: int = Field(default=24, ge=1)
    """Candidates that a node moves along: the nearest by embedding."""
    landmarks: int = Field(default=8, ge=0)
    """Nodes of each graph that all nodes move along."""


class GradientFlowRecipe(MovingRecipe):
    """:class:`pyg_gears.models.GradientFlow`, a learned flow that is taught to run downhill."""

    kind: Literal["gradient_flow"] = "gradient_flow"
    steps: int = Field(default=4, ge=1)
    """Steps of the solver."""
    solver: Literal["euler", "heun", "rk4"] = "heun"
    """Velocities of a step: one, two or four."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the initial coordinates in training, in the unit of the raw guess."""
    align: float = Field(default=0.1, ge=0)
    """Weight of the alignment of velocity and gradient."""
    monotone: float = Field(default=0.1, ge=0)
    """Weight of what the log stress rises on the way."""
    velocity: float = Field(default=0.001, ge=0)
    """Weight of the squared velocity."""

    def build(self, in_channels: int) -> GradientFlow:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import GradientFlow

        return GradientFlow(in_channels, **self.model_dump(exclude={"kind"}))


class LayoutSDERecipe(MovingRecipe):
    """:class:`pyg_gears.models.LayoutSDE`, layout dynamics with a noise that fades."""

    kind: Literal["layout_sde"] = "layout_sde"
    steps: int = Field(default=8, ge=4)
    """Steps in training."""
    inference_steps: int = Field(default=20, ge=4)
    """Steps of a reconstruction. Published: 20 to 50."""
    noise: float = Field(default=1.0, ge=0)
    """Scale of the noise in training and in further samples (``reconstruct --samples``)."""
    fading: float = Field(default=1.0, ge=0)
    """Power with which the noise fades."""
    descent: float = Field(default=0.5, ge=0)
    """Share by which the energy should fall over the whole way."""
    lyapunov: float = Field(default=0.1, ge=0)
    """Weight of the hinge on energies that do not fall so."""
    checkpoints: float = Field(default=1.0, ge=0)
    """Weight of the mean stress after a quarter, half and three quarters of the way."""
    first: float = Field(default=1.0, ge=0)
    """Weight of the stress of the first guess."""
    align: float = Field(default=0.1, ge=0)
    """Weight of the alignment of drift and gradient."""

    def build(self, in_channels: int) -> LayoutSDE:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import LayoutSDE

        return LayoutSDE(in_channels, **self.model_dump(exclude={"kind"}))


class WassersteinFlowRecipe(SetRecipe):
    """:class:`pyg_gears.models.WassersteinFlow`, proximal steps of the energy by a network on sets."""

    reads_edges: ClassVar[bool] = False
    """The true graph would change nothing for it."""

    kind: Literal["wasserstein_flow"] = "wasserstein_flow"
    steps: int = Field(default=3, ge=1)
    """Steps."""
    tau: float = Field(default=1.0, gt=0)
    """Length of a step in the flow's time: the larger, the farther a step may go."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the first guess in training, in its unit."""
    energy: float = Field(default=1.0, ge=0)
    """Weight of the mean stress after all steps but the last."""
    first: float = Field(default=1.0, ge=0)
    """Weight of the stress of the first guess."""
    detach: bool = True
    """Take the start of every step as given."""

    def build(self, in_channels: int) -> WassersteinFlow:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import WassersteinFlow

        return WassersteinFlow(in_channels, **self.model_dump(exclude={"kind"}))
