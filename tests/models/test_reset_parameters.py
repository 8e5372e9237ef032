"""``reset_parameters`` leaves nothing of the training: under one seed it equals a new layer or model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pyg_gears.models import IPAR, GateEGNN, GeneratorDiffusion, IPALite, TopoIPAR
from pyg_gears.models.gate_smoothing import GateSmoothing
from pyg_gears.nn import (
    ISAB,
    SAB,
    DistanceBias,
    DistanceHead,
    EdgeGate,
    EGNNConv,
    FiLM,
    FourierTime,
    GateFormer,
    GeometryBias,
    IPAConv,
    PairBias,
    PairHead,
    Perceptron,
)

C = 4
MAKE: dict[str, Callable[[], torch.nn.Module]] = {
    "EdgeGate": lambda: EdgeGate(C, 8, heads=2),
    "PairBias": lambda: PairBias(C, 2),
    "GateFormer": lambda: GateFormer(C, 8, heads=2),
    "EGNNConv": lambda: EGNNConv(C),
    "SAB": lambda: SAB(C, 2),
    "ISAB": lambda: ISAB(C, 3, 2),
    "FiLM": lambda: FiLM(C, 3),
    "FourierTime": lambda: FourierTime(C, 6),
    "DistanceBias": lambda: DistanceBias(5, 3),
    "PairHead": lambda: PairHead(C, 6, 3),
    "DistanceHead": lambda: DistanceHead(C, 6),
    "Perceptron": lambda: Perceptron(C, 6, 2),
    "Perceptron, zero_init": lambda: Perceptron(C, 6, 2, zero_init=True),
    "GateSmoothing": GateSmoothing,
    **{f"GeometryBias {mode}": lambda mode=mode: GeometryBias(mode, C, 2) for mode in ("monotone", "rbf", "point")},
    **{
        f"IPAConv {qk} {geo} {frame}": lambda qk=qk, geo=geo, frame=frame: IPAConv(C, 2, 4, qk=qk, geo=geo, frame=frame)
        for qk in ("none", "plain", "divided", "published", "learned")
        for geo, frame in (("none", "free"), ("monotone", "rotation"), ("rbf", "free"), ("point", "rotation"))
    },
    "IPALite": lambda: IPALite(C, 8, 2, 4, pair=True, geo="point"),
    "IPALite own blocks": lambda: IPALite(C, 8, 2, 4, shared=False, geo="point", geo_from=1, qk="learned"),
    "IPALite smoothing": lambda: IPALite(C, 8, 2, 4, attention="smoothing_after_first"),
    "IPAR": lambda: IPAR(C, 8, 2, 4),
    "IPAR without fights": lambda: IPAR(C, 8, 2, 4, fights=False),
    "TopoIPAR": lambda: TopoIPAR(C, 8, 2, 4),
    "GateEGNN": lambda: GateEGNN(C, 8),
    "GeneratorDiffusion": lambda: GeneratorDiffusion(C, 8, 4, 1, 1, 1, points=3, heads=2),
}


@pytest.mark.parametrize("name", MAKE)
def test_equals_a_new_one(name: str) -> None:
    torch.manual_seed(1)
    module = MAKE[name]()
    new = {key: value.clone() for key, value in module.state_dict().items()}
    after = torch.get_rng_state()
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            value.fill_(7.0)  # trained
    torch.manual_seed(1)
    module.reset_parameters()
    for key, value in module.state_dict().items():
        assert torch.equal(value, new[key]), key
    # What is drawn after it is the same too: a model resets its parts one after the other.
    assert torch.equal(torch.get_rng_state(), after)
