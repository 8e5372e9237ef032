"""What a run can choose about the models that draw a latent per node: the variational one, and the cooperative one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyg_gears.training.set_recipe import SetRecipe

if TYPE_CHECKING:
    from pyg_gears.models import CoopEBM, OperatorVAE


class OperatorVAERecipe(SetRecipe):
    """:class:`pyg_gears.models.OperatorVAE`, an operator drawn from a latent per node, and its decoder."""

    kind: Literal["operator_vae"] = "operator_vae"
    layers: int = Field(default=1, ge=1)
    """Set attention blocks of encoder and decoder each."""
    latent_channels: int = Field(default=16, ge=1)
    """Channels of the latent."""
    noise: float = Field(default=1.0, ge=0)
    """Scale of the latent's deviation in further samples (``reconstruct --samples``); 0 draws none in training either."""
    gumbel: float = Field(default=0.1, ge=0)
    """Scale of the Gumbel noise on the logits, wherever a latent is drawn."""
    divergence: float = Field(default=0.01, ge=0)
    """Weight of the KL from posterior to prior."""
    transitions: float = Field(default=0.1, ge=0)
    """Weight of the KL from the true transitions to the operator."""
    uniform: float = Field(default=0.01, ge=0)
    """Weight of the rows' entropy: against rows that say nothing."""
    covariance: float = Field(default=0.01, ge=0)
    """Weight of the squared covariances of the latent's channels."""

    def build(self, in_channels: int) -> OperatorVAE:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import OperatorVAE

        return OperatorVAE(in_channels, **self.model_dump(exclude={"kind"}))


class CoopEBMRecipe(SetRecipe):
    """:class:`pyg_gears.models.CoopEBM`, a generator taught by Langevin steps on the true energy."""

    kind: Literal["coop_ebm"] = "coop_ebm"
    latent_channels: int = Field(default=8, ge=1)
    """Channels of the noise that every layout draws anew."""
    langevin_steps: int = Field(default=10, ge=1)
    """Steps of the chain. Published: 10 to 20."""
    langevin_step: float = Field(default=0.1, ge=0)
    """Root mean square length of its first step, in the gauge."""
    temperature: float = Field(default=0.001, ge=0)
    """Temperature of the chain, in the unit of its steps."""
    refine_steps: int = Field(default=8, ge=0)
    """Springs towards the predicted distances, which take the energy's place at inference."""
    noise: float = Field(default=0.3, ge=0)
    """Standard deviation of the latent noise, in training and in further samples."""
    teach: float = Field(default=1.0, ge=0)
    """Weight of the distance from the generator's layout to the end of the chain."""
    likelihood: float = Field(default=0.1, ge=0)
    """Weight of the likelihood of true distances."""
    spread: float = Field(default=0.01, ge=0)
    """Weight of the variance of the log-variances."""
    first: float = Field(default=1.0, ge=0)
    """Weight of the stress of the generator's layout."""

    def build(self, in_channels: int) -> CoopEBM:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import CoopEBM

        return CoopEBM(in_channels, **self.model_dump(exclude={"kind"}))
