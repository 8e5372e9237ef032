"""Models and losses under autocast and in other float types; energies and targets stay float32 or float64."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears import losses
from pyg_gears.models import IPAR, GateEGNN, IPALite, StructureModel, StructureOutput, TopoIPAR
from pyg_gears.nn import EdgeGate, GateFormer, PairBias
from pyg_gears.transforms import CandidateGraph, GeometricTargets

C = 4
MODELS = {
    "ipa_lite": lambda: IPALite(C, 8, 2, 4, geo="rbf", pair=True),
    "smoothing": lambda: IPALite(C, 8, 2, 4, attention="smoothing_after_first"),
    "hard": lambda: IPALite(C, 8, 2, 4, attention="hard_gate"),
    "ipa_r": lambda: IPAR(C, 8, 2, 4),
    "topo": lambda: TopoIPAR(C, 8, 2, 4),
    "egnn": lambda: GateEGNN(C, 8),
}


def minisets() -> Batch:
    generator = torch.Generator().manual_seed(0)
    graphs = [
        Data(x=torch.randn(n, C, generator=generator), pos=torch.rand(n, 2, generator=generator)) for n in (14, 5)
    ]
    return Batch.from_data_list([CandidateGraph(6)(GeometricTargets()(graph)) for graph in graphs])


def every_loss(output: StructureOutput, batch: Batch) -> torch.Tensor:
    generator, pos, logits = torch.Generator().manual_seed(0), output.pos, output.gate_logits
    values = [
        losses.random_walk_kl(pos, batch),
        losses.log_stress(pos, batch),
        losses.linear_stress(pos, batch),
        losses.ratio_stress(pos, batch),
        losses.local_stress(pos, batch),
        losses.walk_entropy(pos, batch),
        losses.repulsion(pos, batch, generator),
        losses.distill_walk(pos, output.initial, batch),
        losses.distill_distances(pos, output.initial, batch),
        losses.geometric_energy(pos, batch).as_subclass(torch.Tensor),
        losses.gate_kl(logits, batch),
        losses.gate_trust(logits, logits.detach() / 2, batch),
        losses.gate_ranking(logits, batch, generator),
    ]
    return torch.stack(values)


def model(name: str) -> StructureModel:
    torch.manual_seed(0)
    built = MODELS[name]()
    for parameter in built.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return built.eval()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(name: str, dtype: torch.dtype) -> None:
    module, batch = model(name), minisets()
    expected = every_loss(module(batch), batch)
    with torch.autocast("cpu", dtype=dtype):
        output = module(batch)
        found = every_loss(output, batch)
    found.sum().backward()
    assert found.dtype == output.pos.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0.1)
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any((gradient != 0).any() for gradient in gradients)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_float_types(name: str, dtype: torch.dtype) -> None:
    batch = minisets()
    expected = every_loss(model(name)(batch), batch)
    module = model(name).to(dtype)
    batch.x = batch.x.to(dtype)
    output = module(batch)
    found = every_loss(output, batch)
    assert output.pos.dtype == dtype
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found.float(), expected, atol=0.15, rtol=0.15)
    found.sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [lambda: EdgeGate(C, 8), lambda: GateFormer(C, 8, heads=2), lambda: PairBias(C, 2)])
def test_a_gate_behind_a_layer_that_autocast_narrows(make, dtype: torch.dtype) -> None:
    """Its input comes in the narrow type, its weights are float32."""
    torch.manual_seed(0)
    before, gate, batch = torch.nn.Linear(C, C), make().eval(), minisets()
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    expected = gate(before(batch.x), batch.edge_index)
    with torch.autocast("cpu", dtype=dtype):
        found = gate(before(batch.x), batch.edge_index)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0.1)
    found.square().sum().backward()
    assert (before.weight.grad != 0).any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_targets_of_half_precision_coordinates_are_float32(dtype: torch.dtype) -> None:
    graph = GeometricTargets()(Data(pos=torch.rand(9, 2).to(dtype)))
    fields = (graph.sigma, graph.rw_log_ref, graph.rw_multiplicity, graph.stress_distance)
    assert {field.dtype for field in fields} == {torch.float32}
