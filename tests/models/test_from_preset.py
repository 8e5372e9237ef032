"""Sizes as published, part by part."""

from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.models import IPAR, IPALite, TopoIPAR, from_preset
from pyg_gears.nn import GateFormer


def count(*parts: torch.nn.Module | torch.Tensor) -> int:
    return sum(
        part.numel() if isinstance(part, torch.Tensor) else sum(p.numel() for p in part.parameters()) for part in parts
    )


@pytest.mark.parametrize(
    ("name", "kind", "size", "gate"),
    [
        ("v1", IPALite, 154_674, 37_057),
        ("v2", IPALite, 352_281, 37_057),
        ("d7", IPALite, 154_678, 37_057),
        ("d2", IPAR, 389_119, 37_057),
        ("topo", TopoIPAR, 154_743, 126_657),
    ],
)
def test_sizes_at_128_channels(name: str, kind: type, size: int, gate: int) -> None:
    model = from_preset(name, 128)
    assert type(model) is kind
    assert count(model.gate) == gate
    assert count(model) - gate == size
    assert isinstance(model.gate, GateFormer) == (name == "topo")


def test_v2_with_five_recycles() -> None:
    model = from_preset("v2", 128, recycles=5)
    # 549,891 as published, with five learned temperatures and geometry in the last three blocks.
    assert count(model) - count(model.gate) == 549_891


def test_d7_of_other_widths() -> None:
    for width, size in ((64, 78_550), (96, 136_246)):
        model = from_preset("d7", 64, hidden_channels=width)
        assert count(model) - count(model.gate) == size


def test_every_part_of_d2() -> None:
    model = from_preset("d2", 128)
    last = model.blocks[-1].geometry
    parts = {
        "tau_r": count(*(block.log_tau for block in model.blocks)),
        "pair embedding": count(model.pair.first, model.pair.second),
        "pair projections": count(model.pair.last),
        "point offsets": count(last.offsets),
        "sigma": count(last.sigma),
        "beta_r": count(model.gate_weight),
        "eta_r": count(model.steps),
    }
    assert parts == {
        "tau_r": 3,
        "pair embedding": 34_912,
        "pair projections": 384,
        "point offsets": 1_536,
        "sigma": 4,
        "beta_r": 3,
        "eta_r": 3,
    }
    assert count(model) - count(model.gate) - sum(parts.values()) == 352_274


def test_scales_of_q_and_k() -> None:
    scales = {name: from_preset(name, 8).blocks[0].qk for name in ("v1", "v2", "d7", "d2", "topo")}
    assert scales == {"v1": "plain", "v2": "learned", "d7": "published", "d2": "learned", "topo": "published"}
    assert from_preset("v2", 8).blocks[0].temperature.item() == pytest.approx(32**0.5)
    assert from_preset("d7", 8).blocks[0].temperature.tolist() == [1.0] * 4
    assert IPALite(8).blocks[0].qk == "divided"


def test_unknown_name() -> None:
    with pytest.raises(InputError, match=r"a preset among v1, v2, d7, d2, topo, found 'd3' \(did you mean"):
        from_preset("d3", 8)
