"""Small graphs, and every structure model in small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPAR, IPALite, TopoIPAR
from pyg_gears.nn import EdgeGate

CHANNELS, HEADS = 8, 2
SMALL = {"hidden_channels": 12, "heads": HEADS, "head_channels": 4}


def _build(kind: str, dtype: torch.dtype = torch.float64, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    gate = EdgeGate(CHANNELS, 8, heads=HEADS if kind == "ipa_lite_pair" else None)
    model = {
        "ipa_lite": lambda **o: IPALite.from_preset("d7", CHANNELS, **o),
        "ipa_lite_pair": lambda **o: IPALite(CHANNELS, pair=True, **o),
        "ipa_r": lambda **o: IPAR(CHANNELS, **o),
        "topo_ipa_r": lambda **o: TopoIPAR(CHANNELS, **o),
    }[kind](**{**SMALL, "gate": gate, **options})
    for name, parameter in model.named_parameters():
        if name not in ("gate_weight",) and not name.endswith("tau"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model.to(dtype).eval()


@pytest.fixture(params=["ipa_lite", "ipa_lite_pair", "ipa_r", "topo_ipa_r"])
def build(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Builds a small model away from its initial point, in evaluation mode; once for every structure model."""
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
