from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import TopoIPAR
from pyg_gears.nn import EdgeGate
from pyg_gears.nn.gate_former import GateFormer


def data(n: int = 20, seed: int = 0) -> Data:
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    return Data(x=x, edge_index=candidate_graph(x, 5))


def test_parameter_count() -> None:
    model = TopoIPAR(128)
    gate = sum(p.numel() for p in model.gate.parameters())
    assert sum(p.numel() for p in model.parameters()) - gate == 154_738
    assert 100_000 <= gate <= 300_000


def test_the_gate_is_contextual_unless_another_is_given() -> None:
    torch.manual_seed(0)
    model = TopoIPAR(8).eval()
    assert isinstance(model.gate, GateFormer)
    graphs = [data(20, 0), data(9, 1)]
    together, alone = model(Batch.from_data_list(graphs)), [model(graph) for graph in graphs]
    torch.testing.assert_close(together.gate_logits, torch.cat([o.gate_logits for o in alone]), atol=1e-4, rtol=1e-4)
    gate = EdgeGate(8)
    assert TopoIPAR(8, gate=gate).gate is gate


def test_geometry_speaks_from_the_third_round_on() -> None:
    torch.manual_seed(0)
    model = TopoIPAR(8, gate=EdgeGate(8))
    torch.nn.init.normal_(model.blocks[0].geometry.weight)
    geo = [bool((term.geo != 0).any()) for term in model(data(), return_terms=True).terms]
    assert geo == [False, False, True, True, True]


def test_the_first_step_is_shorter() -> None:
    torch.manual_seed(0)
    models = [TopoIPAR(8, gate=EdgeGate(8), first_step=first, recycles=3) for first in (1.0, 0.6)]
    torch.nn.init.normal_(models[0].blocks[0].frame_weight)
    models[1].load_state_dict(models[0].state_dict())
    steps: list[list[float]] = []
    for model in models:
        steps.append([])
        model.eval().blocks[0].register_forward_pre_hook(
            lambda _, __, options: steps[-1].append(options["step"]), with_kwargs=True
        )
        model(data(), step_scale=0.5)
    assert steps == [[0.5, 0.5, 0.5], [pytest.approx(0.3), 0.5, 0.5]]


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"geo_from in 0\.\.1, found 2"):
        TopoIPAR(8, recycles=2)
    assert TopoIPAR(8, recycles=2, geo="none").recycles == 2
