from __future__ import annotations

import json

import pytest
import torch

from pyg_gears.configuration import Configuration
from pyg_gears.errors import InputError
from pyg_gears.models import IPAR, GateEGNN, IPALite, TopoIPAR
from pyg_gears.nn import EdgeGate, GateFormer
from pyg_gears.training.gate_recipe import EdgeGateRecipe, GateFormerRecipe
from pyg_gears.training.graph_recipe import GraphRecipe
from pyg_gears.training.loss_recipe import DistillRecipe, LossRecipe
from pyg_gears.training.model_recipe import (
    GateEGNNRecipe,
    GeoRecipe,
    IPALiteRecipe,
    IPARRecipe,
    ModelRecipe,
    TopoIPARRecipe,
)


class Whole(Configuration):
    """A recipe in small."""

    model: ModelRecipe = IPALiteRecipe()
    loss: LossRecipe = LossRecipe()
    graph: GraphRecipe = GraphRecipe()


COMMON = {"recycles": 4, "hidden_channels": 10, "heads": 2, "head_channels": 6, "noise": 0.2, "dropout": 0.3}
EDGE = {"kind": "edge", "channels": 12, "beta": 1.5}
FORMER = {"kind": "former", "channels": 12, "layers": 1, "heads": 3, "dropout": 0.2, "limit": 5.0, "bound": "tanh"}
FORMER = {**FORMER, "beta": 1.5}


def test_the_defaults_are_the_light_model_as_it_was() -> None:
    model = IPALiteRecipe().build(12)
    block = model.blocks[0]
    assert type(model) is IPALite
    assert (model.recycles, model.shared, model.noise, model.beta, model.detach) == (5, True, 0.05, 2.0, False)
    assert (block.channels, block.heads, block.head_channels) == (64, 4, 16)
    assert (block.qk, block.tau.tolist(), block.step, block.frame, block.geometry) == (
        "divided",
        [1.0] * 4,
        5.0,
        "free",
        None,
    )
    assert (model.gate.hidden_channels, model.gate.heads, model.pair, model.attention) == (32, None, None, "learned")
    # Names and shapes of saved weights, since the first version.
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes == {
        "gate.first.weight": (32, 48),
        "gate.first.bias": (32,),
        "gate.second.weight": (32, 32),
        "gate.second.bias": (32,),
        "gate.last.weight": (1, 32),
        "gate.last.bias": (1,),
        "embed_state.0.weight": (128, 12),
        "embed_state.0.bias": (128,),
        "embed_state.2.weight": (64, 128),
        "embed_state.2.bias": (64,),
        "embed_pos.0.weight": (64, 12),
        "embed_pos.0.bias": (64,),
        "embed_pos.2.weight": (2, 64),
        "embed_pos.2.bias": (2,),
        "blocks.0.frame_weight": (4, 2, 2),
        "blocks.0.tau": (4,),
        "blocks.0.norm.weight": (64,),
        "blocks.0.norm.bias": (64,),
        "blocks.0.project.weight": (192, 64),
        "blocks.0.update_state.0.weight": (128, 128),
        "blocks.0.update_state.0.bias": (128,),
        "blocks.0.update_state.3.weight": (64, 128),
        "blocks.0.update_state.3.bias": (64,),
    }
    assert IPALiteRecipe().gate == EdgeGateRecipe(channels=32, beta=2.0, kl=0.05)


@pytest.mark.parametrize("gate", [EDGE, FORMER])
@pytest.mark.parametrize(("kind", "model"), [("ipa_lite", IPALite), ("ipa_r", IPAR), ("topo_ipa_r", TopoIPAR)])
def test_every_choice_reaches_a_recycling_model(kind: str, model: type, gate: dict) -> None:
    own = {
        "ipa_lite": {"shared": False, "qk": "learned", "geo": {"kind": "rbf", "start": 1}, "pair": True, "step": 2.0},
        "ipa_r": {"geo": "rbf", "step": 0.3},
        "topo_ipa_r": {"geo": {"kind": "monotone", "start": 1}, "step": 0.3},
    }[kind]
    if kind == "topo_ipa_r" and gate is EDGE:
        with pytest.raises(InputError, match="gate"):
            Whole().change({"model": {"kind": kind, "gate": gate}})
        return
    values = {**COMMON, **own, "kind": kind, "frame": "rotation", "detach": True, "gate": gate}
    built = Whole().change({"model": values}).model.build(7)
    assert type(built) is model
    assert (built.in_channels, built.recycles, built.noise, built.beta, built.detach) == (7, 4, 0.2, 1.5, True)
    block = built.blocks[0]
    assert (block.channels, block.heads, block.head_channels, block.frame) == (10, 2, 6, "rotation")
    assert block.update_state[2].p == 0.3
    if gate is EDGE:
        assert isinstance(built.gate, EdgeGate)
        assert (built.gate.hidden_channels, built.gate.heads) == (12, None)
    else:
        assert isinstance(built.gate, GateFormer)
        assert (built.gate.hidden_channels, built.gate.heads, len(built.gate.layers)) == (12, 3, 1)
        assert (built.gate.dropout, built.gate.limit, built.gate.bound) == (0.2, 5.0, "tanh")
    if kind == "ipa_lite":
        assert (len(built.blocks), built.geo_from, built.pair is not None) == (4, 1, True)
        assert (built.blocks[0].geometry, built.blocks[1].geometry.mode) == (None, "rbf")
        assert (block.qk, block.step) == ("learned", 2.0)
    else:
        assert built.steps().tolist() == pytest.approx([0.3] * 4)
        assert built.blocks[-1].geometry.mode == ("rbf" if kind == "ipa_r" else "monotone")
    assert kind != "topo_ipa_r" or built.geo_from == 1


def test_variants_of_their_own() -> None:
    assert IPALiteRecipe(attention="hard_gate").build(7).attention == "hard_gate"
    assert IPALiteRecipe(gate=EdgeGateRecipe(per_head=True), heads=3).build(7).gate.heads == 3
    assert IPARRecipe(fights=False).build(7).pair is None
    egnn = GateEGNNRecipe(steps=2, hidden_channels=12, step=3.0, noise=0.1, gate=EdgeGateRecipe(beta=1.0)).build(7)
    assert type(egnn) is GateEGNN
    assert (len(egnn.layers), egnn.layers[0].channels, egnn.layers[0].step) == (2, 12, 3.0)
    assert (egnn.noise, egnn.beta) == (0.1, 1.0)
    assert isinstance(TopoIPARRecipe().build(7).gate, GateFormer)


def test_published_sizes_by_the_recipe() -> None:
    wide = {"hidden_channels": 96, "head_channels": 32, "gate": {"channels": 64}}
    for values, size in (
        ({"kind": "ipa_lite", **wide, "qk": "published", "geo": {"kind": "monotone"}}, 154_678),
        ({"kind": "ipa_r"}, 389_119),
        ({"kind": "topo_ipa_r"}, 154_743),
    ):
        model = Whole().change({"model": values}).model.build(128)
        counts = [sum(p.numel() for p in part.parameters()) for part in (model, model.gate)]
        assert counts[0] - counts[1] == size


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"kind": "ipa"},
            "expected model.kind among ipa_lite, ipa_r, topo_ipa_r, gate_egnn, generator_diffusion, .* found 'ipa'",
        ),
        ({"kind": "ipa_r", "shared": False}, "expected a field of model of kind ipa_r, found 'model.shared'"),
        ({"gate": {"layers": 2}}, "found 'model.gate.layers'; kind former has it"),
        ({"qk": "cosine"}, "expected model.qk among none, plain, divided, published, learned, found 'cosine'"),
        ({"geo": {"kind": "far"}}, "expected model.geo.kind among monotone, rbf, point, found 'far'"),
        ({"geo": {"start": 5}}, r"expected model.geo.start in 0..4, found 5; no round would use it"),
        ({"geo": {"start": 1}, "attention": "uniform_after_first"}, r"model.geo.start in 0..0, found 1"),
        ({"attention": "smoothing_after_first", "shared": False}, "expected model.shared=true with"),
        ({"recycles": 0}, "expected model.recycles at least 1, found 0"),
        ({"kind": "ipa_r", "step": 1.0}, r"expected model.step below 1(\.0)?, found 1.0"),
        ({"kind": "topo_ipa_r", "recycles": 2}, r"model.geo.start in 0..1, found 2"),
        (
            {"kind": "gate_egnn", "gate": {"kind": "edge", "per_head": True}},
            "expected model.gate.per_head=false with model.kind='gate_egnn'",
        ),
        ({"gate": {"beta_start": 0.5}}, "gate.beta_start and gate.beta_ramp_epochs together, found 0.5 and 0"),
        ({"gate": {"beta_ramp_epochs": 3}}, "gate.beta_start and gate.beta_ramp_epochs together, found None and 3"),
        ({"gate": {"rank_margin": 2.0}}, "expected gate.rank above 0 with gate.rank_margin, found margin 2 alone"),
        ({"gate": {"kind": "former", "heads": 3}}, "gate.channels even and a multiple of gate.heads, found 64 and 3"),
        ({"gate": {"target": "walk3"}}, "expected model.gate.target among walk, walk2, mix, found 'walk3'"),
    ],
)
def test_what_has_no_effect_or_does_not_exist_is_refused(values: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Whole().change({"model": values})


def test_a_recipe_is_plain_values_and_back() -> None:
    recipe = Whole().change(
        {"model": {"geo": {"kind": "rbf"}, "gate": {"kind": "former", "rank": 0.1}}, "loss": {"distill": {"weight": 2}}}
    )
    assert recipe.model.geo == GeoRecipe(kind="rbf")
    assert recipe.model.gate == GateFormerRecipe(rank=0.1)
    assert recipe.loss.distill == DistillRecipe(weight=2.0)
    assert Whole.read(json.loads(json.dumps(recipe.as_dict()))) == recipe
    moved = recipe.change({"model": {"kind": "topo_ipa_r"}})
    assert moved.model == TopoIPARRecipe(gate=GateFormerRecipe(rank=0.1), geo=GeoRecipe(kind="rbf"))


def test_the_gates_weight_over_the_epochs() -> None:
    assert EdgeGateRecipe(beta=1.5).beta_at(3.0) == 1.5
    ramp = EdgeGateRecipe(beta_start=0.5, beta_ramp_epochs=6.0)
    assert [ramp.beta_at(epoch) for epoch in (0.0, 3.0, 9.0)] == [0.5, 1.25, 2.0]


def test_graph_and_loss_ranges() -> None:
    for values, message in (
        ({"graph": {"jaccard": 1.5}}, r"expected graph.jaccard at most 1(\.0)?, found 1.5"),
        ({"graph": {"metric": "cos"}}, "expected graph.metric among cosine, euclidean, found 'cos'"),
        ({"loss": {"stress": -1.0}}, "expected loss.stress at least 0(.0)?, found -1.0"),
        ({"loss": {"distill": {"weight": 0.0}}}, "expected loss.distill.weight above 0(.0)?, found 0.0"),
        (
            {"loss": {"overlap": {"begin": 0.9}}},
            "expected loss.overlap.begin at most end, found 0.9 and 0.5; change one",
        ),
        (
            {"loss": {"overlap": {"ratio": 0.0}}},
            "expected a form of loss.overlap with a weight above 0, found none; raise",
        ),
    ):
        with pytest.raises(InputError, match=message):
            Whole().change(values)


def test_weights_follow_the_global_generator() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(IPALiteRecipe().build(7).state_dict()["embed_pos.0.weight"])
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
