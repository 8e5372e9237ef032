from __future__ import annotations

import pytest

from pyg_gears.models import IPAR, IPALite, TopoIPAR
from pyg_gears.nn import EdgeGate, GateFormer
from pyg_gears.training import Recipe
from pyg_gears.training.structure_training import build_model

GATE = {"channels": 12, "layers": 1, "heads": 3, "dropout": 0.2, "limit": 5.0, "beta": 1.5}
MODEL = {
    **{"recycles": 4, "hidden_channels": 10, "heads": 2, "head_channels": 6, "step": 2.0, "noise": 0.2, "dropout": 0.3},
    **{
        "detach": True,
        "shared": False,
        "qk_norm": True,
        "geo": "rbf",
        "geo_from": 1,
        "frame": "rotation",
        "pair": True,
    },
}


@pytest.mark.parametrize("gate", ["edge", "former"])
@pytest.mark.parametrize(("kind", "model"), [("ipa_lite", IPALite), ("ipa_r", IPAR), ("topo_ipa_r", TopoIPAR)])
def test_every_choice_reaches_the_model(kind: str, model: type, gate: str) -> None:
    recipe = Recipe().change({"model": {**MODEL, "kind": kind}, "gate": {**GATE, "kind": gate}})
    built = build_model(recipe, 7, seed=0)
    assert type(built) is model
    assert (built.in_channels, built.recycles, built.noise, built.beta, built.detach) == (7, 4, 0.2, 1.5, True)
    block = built.blocks[0]
    assert (block.channels, block.heads, block.head_channels, block.step) == (10, 2, 6, 2.0)
    assert block.update_state[2].p == 0.3
    if gate == "edge":
        assert isinstance(built.gate, EdgeGate)
        assert (built.gate.hidden_channels, built.gate.heads) == (12, None)
    else:
        assert isinstance(built.gate, GateFormer)
        assert (built.gate.hidden_channels, built.gate.heads, len(built.gate.layers)) == (12, 3, 1)
        assert (built.gate.dropout, built.gate.limit) == (0.2, 5.0)
    if kind == "ipa_lite":
        assert (len(built.blocks), built.geo_from, built.pair is not None) == (4, 1, True)
        assert (built.blocks[0].geometry, built.blocks[1].geometry.mode) == (None, "rbf")
        assert (block.frame, block.qk_norm) == ("rotation", True)


def test_a_gate_per_head_has_as_many_heads_as_the_attention() -> None:
    recipe = Recipe().change({"model": {"heads": 3}, "gate": {"per_head": True}})
    assert build_model(recipe, 7, seed=0).gate.heads == 3
