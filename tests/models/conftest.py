"""Small graphs, and every structure model in small."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPAR, IPALite, TopoIPAR, ipa_lite
from pyg_gears.models.hard_gate import best_edges
from pyg_gears.nn import EdgeGate, GateFormer

CHANNELS, HEADS = 8, 2
SMALL = {"hidden_channels": 12, "heads": HEADS, "head_channels": 4}


KINDS: dict[str, Callable[..., torch.nn.Module]] = {
    "v1": lambda **o: IPALite.from_preset("v1", CHANNELS, **o),
    "d7": lambda **o: IPALite.from_preset("d7", CHANNELS, **o),
    "v2": lambda **o: IPALite.from_preset("v2", CHANNELS, **o),
    "pair": lambda **o: IPALite(CHANNELS, pair=True, **o),
    "no_qk": lambda **o: IPALite(CHANNELS, qk="none", **o),
    "uniform": lambda **o: IPALite(CHANNELS, attention="uniform_after_first", geo="monotone", **o),
    "smoothing": lambda **o: IPALite(CHANNELS, attention="smoothing_after_first", pair=True, **o),
    "hard_gate": lambda **o: IPALite(CHANNELS, attention="hard_gate", **o),
    "ipa_r": lambda **o: IPAR(CHANNELS, **o),
    "no_fights": lambda **o: IPAR(CHANNELS, fights=False, **o),
    "topo_ipa_r": lambda **o: TopoIPAR(CHANNELS, **o),
}


def _build(kind: str, dtype: torch.dtype = torch.float64, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    gate = EdgeGate(CHANNELS, 8, heads=HEADS if kind in ("pair", "smoothing", "hard_gate") else None)
    if kind == "topo_ipa_r":
        gate = GateFormer(CHANNELS, 8, heads=2)
    model = KINDS[kind](**{**SMALL, "gate": gate, **options})
    for name, parameter in model.named_parameters():
        if name not in ("gate_weight", "steps.theta") and not name.endswith("tau"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model.to(dtype).eval()


@pytest.fixture(params=KINDS)
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Builds a small model away from its initial point, in evaluation mode; once for every recycling model."""
    monkeypatch.setattr(ipa_lite, "best_edges", partial(best_edges, count=3))  # the graphs are small
    return lambda dtype=torch.float64, **options: _build(request.param, dtype, **options)


@pytest.fixture
def graph() -> Callable[..., Data]:
    """Builds a graph with duplicate nodes, a node that only its self-loop enters and one that nothing enters."""

    def make(n: int, seed: int, dtype: torch.dtype = torch.float64) -> Data:
        x = torch.randn(n, CHANNELS, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        if n > 6:
            x[3] = x[5]
        edge_index = candidate_graph(x, 5)
        if n > 6:
            source, target = edge_index
            edge_index = edge_index[:, (target != 2) & ((target != 1) | (source == 1))]
        return Data(x=x, edge_index=edge_index)

    return make
