"""Every structure model as PyTorch's own tools call it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears import Recipe
from pyg_gears.models import StructureModel
from pyg_gears.training.build_model import seeded_weights
from tests.models.test_empty_graphs import SIZES, batch_of
from tests.models.test_every_model import SMALL, TESTED_ELSEWHERE, C

KINDS = sorted(set(SMALL) | TESTED_ELSEWHERE)


def build(kind: str) -> StructureModel:
    with seeded_weights(0):
        model = Recipe().change({"model": {"kind": kind, **SIZES.get(kind, {"hidden_channels": 8})}}).model.build(C)
    model.begin_training(100)
    return model.eval()


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def run(model: StructureModel, batch: Batch) -> tuple[Tensor, Mapping[str, tuple[float, Tensor]]]:
    output = model(batch, generator=seeded(3))
    return output.pos, model.loss_terms(output, batch, seeded(4))


def replica(model: torch.nn.Module) -> torch.nn.Module:
    """As ``torch.nn.parallel.replicate`` makes it on a second device: its weights are tensors, not parameters."""
    copy = model._replicate_for_data_parallel()
    for name, child in model.named_children():
        setattr(copy, name, replica(child))
    for name, parameter in model._parameters.items():
        setattr(copy, name, None if parameter is None else parameter * 1)
    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_data_parallel(kind: str) -> None:
    batch = batch_of([12, 9])
    model = build(kind)
    pos, _ = run(model, batch)
    torch.testing.assert_close(run(replica(model), batch)[0], pos, atol=0, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_inference_mode(kind: str) -> None:
    batch = batch_of([12, 9])
    pos, terms = run(build(kind), batch)
    with torch.inference_mode():
        found, values = run(build(kind), batch.clone())
    torch.testing.assert_close(found, pos.detach(), atol=1e-3, rtol=1e-3)  # attention takes another kernel
    for name, (_, value) in values.items():
        torch.testing.assert_close(value, terms[name][1].detach(), atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_in_float64_and_another_default(kind: str) -> None:
    batch = batch_of([12, 9])
    x = batch.x
    batch = batch.apply(lambda value: value.double() if value.is_floating_point() else value)
    batch.x, model = x, build(kind)
    torch.set_default_dtype(torch.float64)
    try:
        pos, terms = run(model.train(), batch)
    finally:
        torch.set_default_dtype(torch.float32)
    assert {pos.dtype, *(value.dtype for _, value in terms.values())} == {torch.float32}


@pytest.mark.parametrize("kind", KINDS)
def test_another_default_device(kind: str) -> None:
    batch = batch_of([12, 9])
    pos, terms = run(build(kind).train(), batch)
    model = build(kind).train()
    with torch.device("meta"):
        found, values = run(model, batch)
    assert torch.equal(found, pos)
    assert all(torch.equal(value, terms[name][1]) for name, (_, value) in values.items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_without_a_node_that_names_its_membership(kind: str) -> None:
    """A Data with ``batch``, which carries no number of graphs."""
    none = torch.zeros(0, dtype=torch.long)
    assert build(kind)(Data(x=torch.zeros(0, C), edge_index=none.expand(2, 0), batch=none)).pos.shape == (0, 2)
