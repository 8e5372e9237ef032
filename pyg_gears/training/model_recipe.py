"""What a run can choose about the structure model: one variant per model, each with its own fields.

Networks are imported when they are built: a recipe is checked before torch is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.errors import expect
from pyg_gears.training.distance_recipe import CoordinateMLPRecipe, DistanceEGNNRecipe, DistanceMDSRecipe
from pyg_gears.training.flow_recipe import GradientFlowRecipe, LayoutSDERecipe, WassersteinFlowRecipe
from pyg_gears.training.gate_recipe import EdgeGateRecipe, GateFormerRecipe, GateRecipe
from pyg_gears.training.generative_recipe import CoopEBMRecipe, OperatorVAERecipe
from pyg_gears.training.generator_diffusion_recipe import GeneratorDiffusionRecipe
from pyg_gears.training.placement_recipe import OperatorNetRecipe, PlaceNetRecipe
from pyg_gears.training.stochastic_ipa_recipe import StochasticIPARecipe
from pyg_gears.typing import Frame, QKMode, RecycleAttention

if TYPE_CHECKING:
    from pyg_gears.models import IPAR, GateEGNN, IPALite, TopoIPAR


class GeoRecipe(Configuration):
    """A bias of the attention by the distances of the layout so far. Published: no gain (without it -0.01)."""

    kind: Literal["monotone", "rbf", "point"] = "monotone"
    """"monotone" (falling with the distance), "rbf" (any function of it) or "point" (learned points around each node;
    published: loses at two training slides)."""
    start: int = Field(default=0, ge=0)
    """First round, counted from 0, in which it takes part."""


class RecyclingRecipe(Configuration):
    """What all models with rounds of attention have."""

    recycles: int = Field(default=5, ge=1)
    """Rounds of attention. Published: 5."""
    hidden_channels: int = Field(default=96, ge=1)
    """Channels of the node state. Published: 96."""
    heads: int = Field(default=4, ge=1)
    """Attention heads. Published: 4."""
    head_channels: int = Field(default=32, ge=1)
    """Channels per head. Published: 32."""
    frame: Frame = "free"
    """"free" 2x2 maps per head, or "rotation" (commuting with rotations). Not measured."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the initial coordinates in training, in the unit of the raw guess. Published: 0.05."""
    dropout: float = Field(default=0.0, ge=0, le=0.95)
    """Dropout inside the state updates."""
    detach: bool = False
    """Stop the gradient between rounds. Not measured."""

    def _shared(self, in_channels: int, gate: GateRecipe) -> dict[str, Any]:
        """The arguments that all these models take; the gate is built."""
        own = {name: getattr(self, name) for name in RecyclingRecipe.model_fields}
        return {**own, "beta": gate.beta, "gate": gate.build(in_channels, self.heads)}


class IPALiteRecipe(RecyclingRecipe):
    """:class:`pyg_gears.models.IPALite`, the light model."""

    kind: Literal["ipa_lite"] = "ipa_lite"
    hidden_channels: int = Field(default=64, ge=1)
    """Channels of the node state. Published: 96 at 128 channels of H."""
    head_channels: int = Field(default=16, ge=1)
    """Channels per head. Published: 32."""
    shared: bool = True
    """One block for all rounds, or one each (published: loses at two training slides)."""
    qk: QKMode = "divided"
    """Scale of the q.k term: normalised q and k at the "published" scale, "divided" by the root of their channels, with a
    "learned" temperature, or "plain"; "none" leaves it out (published: E_geo 0.27 higher)."""
    geo: GeoRecipe | None = None
    """Geometry bias; none by default."""
    pair: bool = False
    """A bias per head from an embedding of each pair of nodes. Published: loses at two training slides."""
    attention: RecycleAttention = "learned"
    """What the rounds are: "learned", or a question to them: "uniform_after_first", "smoothing_after_first", "hard_gate"
    (published: loses, 0.86 against 0.49)."""
    step: float = Field(default=5.0, ge=0)
    """Step size of the coordinates: how fast the maps A_h, which start at zero, take effect. Published: 1."""
    gate: GateRecipe = EdgeGateRecipe()
    """The gate on the candidates."""

    @model_validator(mode="after")
    def _refused_at_once(self) -> Self:
        """What the model refuses is refused when the recipe is written, not when the model is built."""
        once = self.attention in ("uniform_after_first", "smoothing_after_first")
        reached = 1 if once else self.recycles
        expect(
            self.geo is None or self.geo.start < reached,
            f"expected model.geo.start in 0..{reached - 1}, found {self.geo and self.geo.start}; no round would use it.",
        )
        expect(
            self.shared or self.attention != "smoothing_after_first",
            "expected model.shared=true with model.attention='smoothing_after_first', found false; only the first round has a "
            "block.",
        )
        return self

    def build(self, in_channels: int) -> IPALite:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import IPALite

        return IPALite(
            in_channels,
            **self._shared(in_channels, self.gate),
            shared=self.shared,
            qk=self.qk,
            geo="none" if self.geo is None else self.geo.kind,
            geo_from=0 if self.geo is None else self.geo.start,
            step=self.step,
            attention=self.attention,
            pair=self.pair,
        )


class IPARRecipe(RecyclingRecipe):
    """:class:`pyg_gears.models.IPAR`, the refining model (D2); published: loses to the light one at two training slides."""

    kind: Literal["ipa_r"] = "ipa_r"
    recycles: int = Field(default=3, ge=1)
    """Rounds of attention, one block each. Published: 3."""
    geo: Literal["none", "monotone", "rbf", "point"] = "point"
    """Geometry bias of the last round. Published: "point"."""
    step: float = Field(default=0.2, gt=0, lt=1)
    """Step size that every round starts from. Published: about 0.2."""
    fights: bool = True
    """Keep the terms that pull against the gate; false fixes temperature and gate weights, drops the pair bias and clips q.k in
    the first round. Not measured."""
    gate: GateRecipe = EdgeGateRecipe(channels=64)
    """The gate on the candidates."""

    def build(self, in_channels: int) -> IPAR:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import IPAR

        return IPAR(
            in_channels,
            **self._shared(in_channels, self.gate),
            geo=self.geo,
            step=self.step,
            fights=self.fights,
        )


class TopoIPARRecipe(RecyclingRecipe):
    """:class:`pyg_gears.models.TopoIPAR`; its gate is contextual by definition."""

    kind: Literal["topo_ipa_r"] = "topo_ipa_r"
    geo: GeoRecipe | None = GeoRecipe(kind="rbf", start=2)
    """Geometry bias. Published: "rbf" from the third round on."""
    step: float = Field(default=0.6, gt=0, lt=1)
    """Step size that every round starts from. Published: about 0.6."""
    gate: GateFormerRecipe = GateFormerRecipe()
    """The gate on the candidates."""

    @model_validator(mode="after")
    def _refused_at_once(self) -> Self:
        expect(
            self.geo is None or self.geo.start < self.recycles,
            f"expected model.geo.start in 0..{self.recycles - 1}, found {self.geo and self.geo.start}; no round would use it.",
        )
        return self

    def build(self, in_channels: int) -> TopoIPAR:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import TopoIPAR

        return TopoIPAR(
            in_channels,
            **self._shared(in_channels, self.gate),
            geo="none" if self.geo is None else self.geo.kind,
            geo_from=0 if self.geo is None else self.geo.start,
            step=self.step,
        )


class GateEGNNRecipe(Configuration):
    """:class:`pyg_gears.models.GateEGNN`, the stable fallback without attention. Not measured."""

    kind: Literal["gate_egnn"] = "gate_egnn"
    steps: int = Field(default=3, ge=1)
    """Layers, one after the other. Published: 2 or 3."""
    hidden_channels: int = Field(default=64, ge=1)
    """Channels of node state and messages."""
    step: float = Field(default=5.0, ge=0)
    """Step size of the coordinates: how fast the steps, which start at zero, take effect."""
    noise: float = Field(default=0.05, ge=0)
    """Noise on the initial coordinates in training, in the unit of the raw guess."""
    gate: GateRecipe = EdgeGateRecipe()
    """The gate on the candidates."""

    @model_validator(mode="after")
    def _one_logit_per_edge(self) -> Self:
        expect(
            not isinstance(self.gate, EdgeGateRecipe) or not self.gate.per_head,
            "expected model.gate.per_head=false with model.kind='gate_egnn', found true; it has no attention heads.",
        )
        return self

    def build(self, in_channels: int) -> GateEGNN:
        """The model with first weights from torch's global generator."""
        from pyg_gears.models import GateEGNN

        return GateEGNN(
            in_channels,
            hidden_channels=self.hidden_channels,
            steps=self.steps,
            beta=self.gate.beta,
            step=self.step,
            noise=self.noise,
            gate=self.gate.build(in_channels, heads=1),
        )


ModelRecipe = Annotated[
    IPALiteRecipe
    | IPARRecipe
    | TopoIPARRecipe
    | GateEGNNRecipe
    | GeneratorDiffusionRecipe
    | CoordinateMLPRecipe
    | DistanceEGNNRecipe
    | DistanceMDSRecipe
    | OperatorNetRecipe
    | PlaceNetRecipe
    | GradientFlowRecipe
    | LayoutSDERecipe
    | WassersteinFlowRecipe
    | OperatorVAERecipe
    | CoopEBMRecipe
    | StochasticIPARecipe,
    Field(discriminator="kind"),
]
"""The structure model, by its literal field ``kind``."""
