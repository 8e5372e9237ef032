"""Graph, gate, model and loss of :class:`pyg_gears.training.Recipe` until it is a Configuration itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyg_gears.errors import expect
from pyg_gears.targets import GATE_TARGETS, GateTarget
from pyg_gears.training.configuration import check_choice, check_range
from pyg_gears.training.model_recipe import GateEGNNRecipe, IPALiteRecipe, IPARRecipe, TopoIPARRecipe
from pyg_gears.typing import Metric


@dataclass(frozen=True)
class GraphRecipe:
    """The candidate graph, at training and at inference."""

    k: int = 100
    """Nearest neighbours in H per node, before symmetrising."""
    metric: Metric = "cosine"
    """"cosine" or "euclidean"."""
    mutual: bool = False
    """Keep only pairs that are each among the other's k nearest."""
    jaccard: float = 0.0
    """Least Jaccard overlap of the two lists of neighbours, 0..1; 0 keeps every pair."""
    projection: int = 0
    """Channels of a linear map, learned on the training slides, in which candidates are searched; 0 searches in H itself."""
    gate_target: GateTarget = "walk"
    """What the gate is taught: one step of the true random walk ("walk"), two ("walk2"), or their mean ("mix")."""

    def __post_init__(self) -> None:
        check_range("graph.k", self.k, 1)
        check_choice("graph.metric", self.metric, ("cosine", "euclidean"))
        check_range("graph.jaccard", self.jaccard, 0, 1)
        check_range("graph.projection", self.projection, 0)
        check_choice("graph.gate_target", self.gate_target, GATE_TARGETS)


@dataclass(frozen=True)
class GateRecipe:
    """The soft gate on the candidates."""

    kind: str = "edge"
    """"edge" (:class:`pyg_gears.nn.EdgeGate`: the two ends alone) or "former" (:class:`pyg_gears.nn.GateFormer`: in context)."""
    channels: int = 32
    """Hidden channels."""
    per_head: bool = False
    """One logit per edge and attention head instead of one per edge; "edge" only."""
    layers: int = 2
    """Layers of context, "former" only."""
    heads: int = 4
    """Heads of a layer, "former" only."""
    dropout: float = 0.1
    """Dropout of a layer, "former" only."""
    limit: float = 8.0
    """Largest absolute logit, "former" only."""
    beta: float = 2.0
    """Weight of the gate in the attention logits."""
    beta_start: float = 2.0
    """Its weight when joint training begins."""
    beta_ramp_epochs: float = 0.0
    """Epochs over which the weight goes linearly from ``beta_start`` to ``beta``; 0: it is ``beta`` throughout."""
    detached: bool = False
    """Stop the gradient from the layout to the gate: it then learns from its own losses alone."""
    clean: bool = False
    """Let the gate read H without augmentation."""

    def __post_init__(self) -> None:
        check_choice("gate.kind", self.kind, ("edge", "former"))
        for name in ("channels", "layers", "heads"):
            check_range(f"gate.{name}", getattr(self, name), 1)
        check_range("gate.dropout", self.dropout, 0, 0.95)
        for name in ("beta", "beta_start", "beta_ramp_epochs"):
            check_range(f"gate.{name}", getattr(self, name), 0)
        expect(self.limit > 0, f"expected gate.limit above 0, found {self.limit}; change the recipe.")
        expect(
            self.kind == "edge" or not self.per_head,
            "expected gate.per_head=false with gate.kind='former', found true; its logits are shared by the heads.",
        )


@dataclass(frozen=True)
class ModelRecipe:
    """The structure model (see :mod:`pyg_gears.models` for what each number does)."""

    kind: str = "ipa_lite"
    """"ipa_lite" (:class:`pyg_gears.models.IPALite`), "ipa_r" (:class:`pyg_gears.models.IPAR`) or "topo_ipa_r"
    (:class:`pyg_gears.models.TopoIPAR`); ``shared``, ``geo``, ``geo_from``, ``qk_norm``, ``frame`` and ``pair`` are fixed by
    the latter two, ``step`` scales theirs."""
    members: int = 3
    """Models trained with seeds of their own; at inference their distances are averaged."""
    recycles: int = 5
    """Rounds of attention."""
    shared: bool = True
    """One block for all rounds, or one each."""
    hidden_channels: int = 64
    """Channels of the node state."""
    heads: int = 4
    """Attention heads."""
    head_channels: int = 16
    """Channels per head."""
    qk_norm: bool = True
    """Normalise queries and keys."""
    geo: str = "none"
    """Geometry bias: "none", "monotone", "rbf" or "point"."""
    geo_from: int = 0
    """First round, counted from 0, in which the geometry bias takes part."""
    pair: bool = False
    """A bias per head from an embedding of each pair of nodes."""
    frame: str = "free"
    """"free" 2x2 maps per head, or "rotation" (commuting with rotations)."""
    step: float = 5.0
    """Step size of the coordinates: how fast the maps A_h, which start at zero, take effect."""
    noise: float = 0.05
    """Noise on the initial coordinates in training, gauge units."""
    dropout: float = 0.0
    """Dropout inside the state updates."""
    detach: bool = False
    """Stop the gradient between rounds."""

    def __post_init__(self) -> None:
        check_choice("model.kind", self.kind, ("ipa_lite", "ipa_r", "topo_ipa_r"))
        for name in ("members", "recycles", "hidden_channels", "heads", "head_channels"):
            check_range(f"model.{name}", getattr(self, name), 1)
        check_choice("model.geo", self.geo, ("none", "monotone", "rbf", "point"))
        check_range("model.geo_from", self.geo_from, 0)
        check_choice("model.frame", self.frame, ("free", "rotation"))
        check_range("model.dropout", self.dropout, 0, 0.95)


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the loss terms; E_geo, by which models are chosen, is not affected."""

    random_walk: float = 0.3
    """Cap of the random-walk KL's weight (above 0.3 slides are overfitted)."""
    stress: float = 4.0
    """Weight of the stress."""
    stress_kind: str = "linear"
    """"linear" (share of the squared distances left unexplained), "log", "ratio" or "local"."""
    repulsion: float = 0.01
    """Weight of the repulsion of random pairs."""
    entropy: float = 0.01
    """Weight of the row entropy."""
    gate: float = 0.05
    """Weight of the gate's KL."""
    trust: float = 0.0
    """Weight of the KL from the pretrained gate to the current one, which keeps it from drifting."""
    rank: float = 0.0
    """Weight of the gate's ranking loss."""
    rank_margin: float = 1.0
    """Margin of the ranking loss, in units of the logits."""
    deep: float = 0.0
    """Weight of the stress and random-walk terms on the coordinates of the earlier rounds, rising with the round."""
    distill: float = 0.0
    """Weight of the distance from the layout on the candidates to the layout that the model gives on the true graph."""
    distill_kind: str = "walk"
    """What is matched: "walk" (one step of the random walk) or "distances"."""

    def __post_init__(self) -> None:
        for name in ("random_walk", "stress", "repulsion", "entropy", "gate", "trust", "rank", "deep", "distill"):
            check_range(f"loss.{name}", getattr(self, name), 0)
        check_range("loss.rank_margin", self.rank_margin, 0)
        check_choice("loss.stress_kind", self.stress_kind, ("linear", "log", "ratio", "local"))
        check_choice("loss.distill_kind", self.distill_kind, ("walk", "distances"))


def model_recipe(model: ModelRecipe, gate: GateRecipe) -> IPALiteRecipe | IPARRecipe | TopoIPARRecipe | GateEGNNRecipe:
    """The variant of :mod:`pyg_gears.training.model_recipe` that these sections describe."""
    network: dict[str, Any] = {"kind": gate.kind, "channels": gate.channels, "beta": gate.beta}
    if gate.kind == "edge":
        network["per_head"] = gate.per_head
    else:
        network |= {name: getattr(gate, name) for name in ("layers", "heads", "dropout", "limit")}
    names = ("recycles", "hidden_channels", "heads", "head_channels", "noise", "dropout", "detach")
    common: dict[str, Any] = {name: getattr(model, name) for name in names} | {"gate": network}
    if model.kind == "ipa_r":
        return IPARRecipe(**common)
    if model.kind == "topo_ipa_r":
        return TopoIPARRecipe(**common)
    common |= {name: getattr(model, name) for name in ("shared", "pair", "frame", "step")}
    common["qk"] = "divided" if model.qk_norm else "plain"
    common["geo"] = None if model.geo == "none" else {"kind": model.geo, "start": model.geo_from}
    return IPALiteRecipe(**common)
