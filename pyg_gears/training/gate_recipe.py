"""What a run can choose about the gate: its network, its weight in the model, and how it is taught."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.errors import expect
from pyg_gears.training.schedules import linear_ramp
from pyg_gears.typing import GateBound, GateTarget

if TYPE_CHECKING:
    import torch

    from pyg_gears.nn import EdgeGate, GateFormer

RANK_MARGIN = 1.0


class GateProjection(Configuration):
    """A linear projection of H, learned first, by the gate's KL alone, and then fixed.

    Candidates are searched in it, and the gate reads it instead of H.
    """

    channels: int = Field(default=32, ge=1)
    """Channels of the projection."""
    epochs: int = Field(default=2, ge=1)
    """Passes over the training minisets. Published: 1 or 2."""
    lr: float = Field(default=3e-3, gt=0)
    """Learning rate of Adam, falling by a cosine to a hundredth. Not published; ours."""


class GateTraining(Configuration):
    """Weight and teaching of a gate, whatever its network."""

    beta: float = Field(default=2.0, ge=0)
    """Weight of the gate in the model. Published: 2."""
    beta_start: float | None = Field(default=None, ge=0)
    """Its weight when joint training begins; with ``beta_ramp_epochs`` only."""
    beta_ramp_epochs: float = Field(default=0.0, ge=0)
    """Epochs over which the weight goes linearly from ``beta_start`` to ``beta``; 0: it is ``beta`` throughout. Recommended
    against the drift of the gate, not measured."""
    target: GateTarget = "walk"
    """Target of the gate: one step of the true random walk ("walk"), two ("walk2"; published: loses), or the mean of both
    ("mix")."""
    detached: bool = False
    """Stop the gradient from the layout to the gate: it then learns from its own losses alone. On one unseen section precision
    0.50 to 0.51, E_geo unchanged."""
    clean: bool = False
    """Let the gate read H without augmentation. Not measured."""
    kl: float = Field(default=0.05, ge=0)
    """Weight of the KL from the true transitions to the gate's softmax. Published: 0.05."""
    lr: float | None = Field(default=None, gt=0)
    """Learning rate of the gate in joint training; that of the rest if null. The published plan has a separate rate for the
    gate, without its value; not measured."""
    frozen_epochs: int = Field(default=0, ge=0)
    """First epochs of joint training in which the gate stays as pretrained. Part of the published plan; not measured."""
    update_every: int = Field(default=1, ge=1)
    """The gate is updated in every so many-th step. Published plan: 2 (two updates of the structure per update of the gate);
    not measured."""
    trust: float = Field(default=0.0, ge=0)
    """Weight of the KL from the pretrained gate to the current one, which keeps it from drifting; needs pretraining. 0.02 is
    recommended, not measured."""
    rank: float = Field(default=0.0, ge=0)
    """Weight of the ranking loss. 0.02 is recommended, not measured."""
    rank_margin: float = Field(default=RANK_MARGIN, ge=0)
    """Margin of the ranking loss, in units of the logits."""
    projection: GateProjection | None = None
    """A learned projection of H for the gate and the search of candidates; none by default."""

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> Self:
        expect(
            (self.beta_start is None) == (self.beta_ramp_epochs == 0),
            f"expected gate.beta_start and gate.beta_ramp_epochs together, found {self.beta_start} and "
            f"{self.beta_ramp_epochs:g}; set both for a ramp, or neither.",
        )
        expect(
            self.rank > 0 or self.rank_margin == RANK_MARGIN,
            f"expected gate.rank above 0 with gate.rank_margin, found margin {self.rank_margin:g} alone; set gate.rank too.",
        )
        return self

    def build(self, in_channels: int, heads: int) -> torch.nn.Module:
        """The gate: its network, behind the projection if there is one.

        Args:
            in_channels: Channels of the embedding.
            heads: Attention heads of the model around it.
        """
        if self.projection is None:
            return self.network(in_channels, heads)
        from pyg_gears.nn import ProjectedGate

        channels = self.projection.channels
        return ProjectedGate(self.network(channels, heads), in_channels, channels)

    @abstractmethod
    def network(self, in_channels: int, heads: int) -> torch.nn.Module:
        """The gate's network, with first weights from torch's global generator.

        Args:
            in_channels: Channels of what it reads.
            heads: Attention heads of the model around it.
        """

    def beta_at(self, epoch: float) -> float:
        """Weight of the gate in joint training after so many epochs."""
        if self.beta_start is None:
            return self.beta
        return linear_ramp(epoch, self.beta_ramp_epochs, first=self.beta_start, last=self.beta)


class EdgeGateRecipe(GateTraining):
    """:class:`pyg_gears.nn.EdgeGate`: an edge is judged by its two ends alone."""

    kind: Literal["edge"] = "edge"
    channels: int = Field(default=32, ge=1)
    """Hidden channels. Published: 64 at 128 channels of H."""
    per_head: bool = False
    """One logit per edge and attention head instead of one per edge. Published: loses at two training slides."""

    def network(self, in_channels: int, heads: int) -> EdgeGate:
        """An edge gate with first weights from torch's global generator."""
        from pyg_gears.nn import EdgeGate

        return EdgeGate(in_channels, self.channels, heads=heads if self.per_head else None)


class GateFormerRecipe(GateTraining):
    """:class:`pyg_gears.nn.GateFormer`: an edge is judged in context, at about twice the time of a step.

    On four unseen sections it finds hardly more true neighbours (precision@30 higher by 0.00 to 0.01); layouts are better on
    two and worse on two.
    """

    kind: Literal["former"] = "former"
    channels: int = Field(default=64, ge=2)
    """Channels of nodes and edges, even and a multiple of ``heads``. Published: 64."""
    layers: int = Field(default=2, ge=1)
    """Layers of context."""
    heads: int = Field(default=4, ge=1)
    """Heads of a layer."""
    dropout: float = Field(default=0.1, ge=0, le=0.95)
    """Dropout of a layer."""
    limit: float = Field(default=8.0, gt=0)
    """Largest absolute logit."""
    bound: GateBound = "clip"
    """How it is kept: "clip" (published) or "tanh" (keeps a gradient beyond the limit)."""

    @model_validator(mode="after")
    def _heads_divide_channels(self) -> Self:
        expect(
            self.channels % self.heads == 0 and self.channels % 2 == 0,
            f"expected gate.channels even and a multiple of gate.heads, found {self.channels} and {self.heads}; change one.",
        )
        return self

    def network(self, in_channels: int, heads: int) -> GateFormer:
        """A contextual gate with first weights from torch's global generator; its logits are shared by the model's heads."""
        from pyg_gears.nn import GateFormer

        return GateFormer(in_channels, self.channels, self.heads, self.layers, self.dropout, self.limit, self.bound)


GateRecipe = Annotated[EdgeGateRecipe | GateFormerRecipe, Field(discriminator="kind")]
"""The gate, by its literal field ``kind``."""
