from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import TopoIPAR
from pyg_gears.nn import EdgeGate, GateFormer


def data(n: int = 20, seed: int = 0) -> Data:
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    return Data(x=x, edge_index=candidate_graph(x, 5))


def test_the_gate_is_contextual_by_definition() -> None:
    torch.manual_seed(0)
    model = TopoIPAR(8).eval()
    assert isinstance(model.gate, GateFormer)
    graphs = [data(20, 0), data(9, 1)]
    together, alone = model(Batch.from_data_list(graphs)), [model(graph) for graph in graphs]
    torch.testing.assert_close(together.gate_logits, torch.cat([o.gate_logits for o in alone]), atol=1e-4, rtol=1e-4)
    gate = GateFormer(8, 16)
    assert TopoIPAR(8, gate=gate).gate is gate
    with pytest.raises(InputError, match="expected a GateFormer as the gate of TopoIPAR, found EdgeGate"):
        TopoIPAR(8, gate=EdgeGate(8))


def test_geometry_takes_part_from_the_third_round_on() -> None:
    torch.manual_seed(0)
    model = TopoIPAR(8, gate=GateFormer(8, 8))
    torch.nn.init.normal_(model.blocks[0].geometry.weight)
    geo = [bool((term.geo != 0).any()) for term in model(data(), return_terms=True).terms]
    assert geo == [False, False, True, True, True]


def test_steps_are_learned_from_their_first_value() -> None:
    torch.manual_seed(0)
    model = TopoIPAR(8, gate=GateFormer(8, 8), recycles=3, step=0.4)
    assert TopoIPAR(8).steps().tolist() == pytest.approx([0.6] * 5)
    torch.nn.init.normal_(model.blocks[0].frame_weight)
    seen: list[float] = []
    model.eval().blocks[0].register_forward_pre_hook(
        lambda _, __, options: seen.append(options["step"].item()), with_kwargs=True
    )
    output = model(data(), step_scale=0.5)
    assert seen == pytest.approx([0.2, 0.2, 0.2])
    output.pos.square()[:5].sum().backward()
    assert (model.steps.theta.grad != 0).all()


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"geo_from in 0\.\.1, found 2"):
        TopoIPAR(8, recycles=2)
    assert TopoIPAR(8, recycles=2, geo="none").recycles == 2
