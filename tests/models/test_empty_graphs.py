"""Losses of batches in which graphs are empty or hold a single node: finite, and 0 where there is nothing to average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears import Recipe, losses
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.targets import multiscale_stress_target, random_walk_target
from pyg_gears.training.build_model import seeded_weights
from pyg_gears.transforms import CandidateGraph, GramFactor, TargetFamilies
from tests.models.test_every_model import SMALL, TESTED_ELSEWHERE, C

SIZES: dict[str, dict[str, Any]] = {
    **SMALL,
    "generator_diffusion": {
        "channels": 8,
        "dims": 4,
        "context_layers": 1,
        "generator_layers": 1,
        "denoiser_layers": 1,
        "points": 3,
        "heads": 2,
    },
}
GEOMETRIC = {name: getattr(losses, name) for name in losses.__all__ if name[0].islower()}
OTHERS = {"effective_bandwidth", "noise_weight", "shared_points"}
"""Not losses."""
WITH_DRAWS = {"repulsion"}
OF_TWO = {"distill_distances", "distill_walk"}
OF_EDGES: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "gate_kl": losses.gate_kl,
    "gate_trust": lambda logits, batch: losses.gate_trust(logits, logits.detach().flip(0), batch),
    "gate_ranking": lambda logits, batch: losses.gate_ranking(logits, batch, torch.Generator().manual_seed(0)),
    "operator_kl": lambda logits, batch: losses.operator_kl(logits.sigmoid(), batch.edge_index, batch),
}
OF_PLACES = sorted(set(GEOMETRIC) - OTHERS - set(OF_EDGES))
EMPTY = [[0], [0, 0], [1], [0, 1, 0]]
MIXED = [[12, 0], [1, 12], [0, 12, 2]]
FIXED = {"align", "gap", "entropy", "latent_kl", "covariance"}
"""Terms that a single node, or a graph without an edge, has a value of: constants, or of the node alone."""


def graph(n: int) -> Data:
    """A graph with every target; few nodes are no miniset, but a user's batch may hold them."""
    generator = torch.Generator().manual_seed(n)
    pos = torch.randn(n, 2, generator=generator)
    data = Data(x=torch.randn(n, C, generator=generator), pos=pos)
    data = CandidateGraph(4, "euclidean")(TargetFamilies(k=4)(GramFactor()(data)))
    walk, stress = random_walk_target(pos, 4), multiscale_stress_target(pos, 4)
    data.rw_edge_index, data.rw_multiplicity, data.rw_log_ref, data.sigma = walk[:4]
    data.rw_steps, data.stress_edge_index, data.stress_distance = torch.tensor([walk.steps]), *stress
    source, target = data.edge_index
    data.gate_target = (source == (target + 1) % max(n, 1)).float() * (source != target)
    data.node_id, data.pair_id = torch.arange(n), torch.tensor([0])
    return data


def batch_of(sizes: list[int]) -> Batch:
    return Batch.from_data_list([graph(n) for n in sizes])


def named(sizes: list[int]) -> str:
    return "-".join(map(str, sizes))


@pytest.mark.parametrize("sizes", EMPTY + MIXED, ids=named)
@pytest.mark.parametrize("kind", sorted(set(SMALL) | TESTED_ELSEWHERE))
def test_terms_of_models(kind: str, sizes: list[int]) -> None:
    batch = batch_of(sizes)
    with seeded_weights(0):
        model = Recipe().change({"model": {"kind": kind, **SIZES.get(kind, {"hidden_channels": 8})}}).model.build(C)
    model.begin_training(100)
    for given in (batch, batch[0]) if len(sizes) == 1 else (batch,):
        output = model.train()(given, generator=torch.Generator().manual_seed(3))
        terms = model.loss_terms(output, given, torch.Generator().manual_seed(4))
        for name, (_, value) in terms.items():
            assert value.isfinite(), name
            assert sizes in MIXED or name in FIXED or value.abs() < 1e-9, name
        model.zero_grad()
        (sum(weight * value for weight, value in terms.values()) + 0 * output.pos.sum()).backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
        if sum(sizes) == 0:
            assert all(p.grad is None or not p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("sizes", EMPTY + MIXED, ids=named)
@pytest.mark.parametrize("name", OF_PLACES + sorted(OF_EDGES))
def test_losses(name: str, sizes: list[int]) -> None:
    batch, generator = batch_of(sizes), torch.Generator().manual_seed(1)
    if name in OF_EDGES:
        given = torch.randn(batch.edge_index.size(1), generator=generator).requires_grad_()
        value: Any = OF_EDGES[name](given, batch)
    else:
        given = torch.randn(sum(sizes), 2, generator=generator).requires_grad_()
        more = (generator,) if name in WITH_DRAWS else ()
        others = (torch.randn(sum(sizes), 2, generator=generator),) if name in OF_TWO else ()
        value = GEOMETRIC[name](given, *others, batch, *more)
    total = sum(value) if isinstance(value, tuple) else value.as_subclass(Tensor)
    assert total.isfinite()
    if total.requires_grad:
        total.backward()
    assert given.grad is None or given.grad.isfinite().all()
    if sizes in EMPTY:
        assert total.abs() < 1e-9
        assert given.grad is None or not given.grad.any()


def test_a_mean_of_something_is_as_it_was() -> None:
    values = torch.rand(7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert at_least_one(values) is values
    none = torch.zeros(0, 2, requires_grad=True)
    at_least_one(none).mean().backward()
    assert none.grad is not None
