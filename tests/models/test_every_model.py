"""What holds for every structure model that a recipe can name: one suite, a model a line."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears import Recipe
from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix, similarity_procrustes
from pyg_gears.losses import geometric_energy, linear_stress
from pyg_gears.metrics import collapse_statistics
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.testing import assert_permutation_equivariant, random_graphs
from pyg_gears.training.build_model import seeded_weights
from pyg_gears.training.model_recipe import ModelRecipe
from pyg_gears.transforms import CandidateGraph, GeometricTargets
from tests.pairwise_distance import pairwise_distance

C = 6
SET = {"hidden_channels": 8, "layers": 1, "points": 3, "heads": 2}
SMALL: dict[str, dict[str, Any]] = {
    "coordinate_mlp": {"hidden_channels": 8},
    "distance_egnn": {"hidden_channels": 8, "steps": 2, "neighbors": 4},
    "distance_mds": SET,
    "operator_net": {**SET, "latent_channels": 3, "spring_steps": 3},
    "place_net": {**SET, "group": 4},
    "gradient_flow": {"hidden_channels": 8, "neighbors": 5, "landmarks": 3, "steps": 3},
    "layout_sde": {"hidden_channels": 8, "neighbors": 5, "landmarks": 3, "steps": 4, "inference_steps": 5},
    "wasserstein_flow": {**SET, "steps": 2},
    "operator_vae": {**SET, "latent_channels": 3},
    "coop_ebm": {**SET, "latent_channels": 3, "langevin_steps": 3, "refine_steps": 2},
    "stochastic_ipa": {
        "hidden_channels": 8,
        "heads": 2,
        "head_channels": 4,
        "points": 3,
        "recycles": 2,
        "gate": {"channels": 6},
    },
}
"""Small sizes of each kind."""
TESTED_ELSEWHERE = {"ipa_lite", "ipa_r", "topo_ipa_r", "gate_egnn", "generator_diffusion"}
WITH_GRADIENT: dict[str, dict[str, Any]] = {
    "wasserstein_flow": {"detach": False},
    "stochastic_ipa": {"detach": False, "depth_drop": 0.0},
}
"""What has to be set so that no gradient is cut on purpose."""
SILENT = {"distance_egnn": "layers.1.update_state", "stochastic_ipa": "blocks.1.update_state"}
"""Parts that no loss reads: the states after the last round are an output."""
SHIFTS = ("embed_pos.last.bias", "embed_pos.2.bias", "move.last.bias", "key.bias")
KINDS = [pytest.param(kind, id=kind) for kind in SMALL]


def recipe(kind: str, **fields: Any) -> Any:
    return Recipe().change({"model": {"kind": kind, **SMALL[kind], **fields}}).model


def build(kind: str, *, away: bool = True, dtype: torch.dtype = torch.float64, **fields: Any) -> StructureModel:
    """A small model in evaluation mode, ``away`` from its first weights, of which some are zero."""
    with seeded_weights(0):
        model = recipe(kind, **fields).build(C)
        if away:
            for parameter in model.parameters():
                parameter.data.add_(0.3 * torch.randn_like(parameter))
    model.begin_training(100)
    return model.to(dtype).eval()


def miniset(n: int, seed: int = 0, dtype: torch.dtype = torch.float64, turn: Any = None) -> Data:
    """A graph whose first two channels are the coordinates, a little blurred, with targets."""
    generator = torch.Generator().manual_seed(seed)
    pos = gauge_fix(torch.randn(n, 2, generator=generator, dtype=torch.float64))
    x = torch.randn(n, C, generator=generator, dtype=torch.float64)
    x[:, :2] = pos + 0.05 * x[:, :2]
    pos = pos if turn is None else turn(pos)
    data = CandidateGraph(12, "euclidean")(GeometricTargets(k=8)(Data(x=x, pos=pos)))
    return data.apply(lambda value: value.to(dtype) if value.is_floating_point() else value)


def shape(pos: Tensor, sizes: list[int]) -> Tensor:
    """All that does not depend on the pose: each node's sorted distances to the nodes of its own graph, padded with zeros."""
    rows = [pairwise_distance(part).sort(dim=1, descending=True).values for part in pos.split(sizes)]
    return torch.cat([torch.nn.functional.pad(part, (0, max(sizes) - part.size(1))) for part in rows])


def every_term(model: StructureModel, batch: Any) -> Tensor:
    """All that a training step adds up, with fixed draws."""
    output = model(batch, generator=torch.Generator().manual_seed(3))
    total = linear_stress(output.pos, batch)
    for weight, value in model.loss_terms(output, batch, torch.Generator().manual_seed(4)).values():
        total = total + weight * value
    return total


def test_every_kind_is_tested() -> None:
    (union, _) = get_args(ModelRecipe)
    kinds = {variant.model_fields["kind"].default for variant in get_args(union)}
    assert kinds == set(SMALL) | TESTED_ELSEWHERE


@pytest.mark.parametrize("kind", KINDS)
def test_numbering_does_not_matter(kind: str) -> None:
    model, graph = build(kind), random_graphs([14], C, dtype=torch.float64)[0]
    assert_permutation_equivariant(lambda data: shape(model(data).pos, [14]), graph, tol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_batched_equals_alone(kind: str) -> None:
    model, sizes = build(kind), [14, 5, 20]
    graphs = [miniset(n, seed=n) for n in sizes]
    together = model(Batch.from_data_list(graphs))
    for part, graph in zip(together.pos.split(sizes), graphs, strict=True):
        torch.testing.assert_close(pairwise_distance(part), pairwise_distance(model(graph).pos), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_are_in_the_gauge_and_losses_free_of_pose(kind: str) -> None:
    model, graph = build(kind), miniset(16)
    for pos in model(graph).coordinates:
        torch.testing.assert_close(pos.mean(dim=0), torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)
        assert pos.square().sum(dim=1).mean().item() == pytest.approx(1.0)
    mirror = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=torch.float64)
    moved = miniset(16, turn=lambda pos: 7.0 * pos @ mirror + 3.0)
    assert torch.equal(moved.edge_index, graph.edge_index)
    model.train()
    torch.testing.assert_close(every_term(model, moved), every_term(model, graph), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_a_layout(kind: str, dtype: torch.dtype) -> None:
    """Of nodes that coincide too: what keeps a division finite in float32 is zero in float16."""
    graph = miniset(14, seed=1, dtype=dtype)
    graph.x[3] = graph.x[5]
    pos = build(kind, dtype=dtype)(graph).pos
    assert pos.dtype == dtype
    assert pos.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_finite_losses(kind: str, dtype: torch.dtype) -> None:
    """What keeps a logarithm finite in float32 is zero in float16."""
    model = build(kind, dtype=dtype).train()
    loss = every_term(model, miniset(14, seed=1, dtype=dtype))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind: str) -> None:
    """Of the layout by the embedding against finite differences; no parameter that training reaches is left out."""
    model, graph = build(kind, **WITH_GRADIENT.get(kind, {})), miniset(9, seed=1)  # seed 0 lies on a kink
    weight = torch.linspace(-1, 1, 81, dtype=torch.float64).view(9, 9)
    weight = weight + weight.T

    def measured(x: Tensor) -> Tensor:
        data = Data(x=x, edge_index=graph.edge_index)
        return (pairwise_distance(model(data).pos) * weight).sum()

    assert torch.autograd.gradcheck(measured, graph.x.clone().requires_grad_(), atol=1e-5, rtol=1e-4)
    model.train()
    batch = Batch.from_data_list([miniset(12, seed=1), miniset(10, seed=2)])
    every_term(model, batch).backward()
    for name, parameter in model.named_parameters():
        if name.startswith(SILENT.get(kind, "none")):
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # The gauge takes a shift of the guess away, a softmax what all its logits share.
        assert parameter.grad.abs().max() > 1e-13 or name.endswith(SHIFTS), name


@pytest.mark.parametrize("kind", KINDS)
def test_odd_graphs_stay_finite(kind: str) -> None:
    """No node, a single one, duplicates, a node without an edge, and no node that differs."""
    model = build(kind, dtype=torch.float32)
    pair = random_graphs([2], C)[0]
    same = random_graphs([7], C)[0]
    same.x = same.x[:1].expand(7, -1).clone()
    lonely = random_graphs([9], C)[0]
    lonely.x[3] = lonely.x[5]
    lonely.edge_index = lonely.edge_index[:, (lonely.edge_index != 2).all(dim=0)]
    none = Data(x=torch.zeros(0, C), edge_index=torch.zeros(2, 0, dtype=torch.long))
    for graph in (none, random_graphs([1], C)[0], pair, same, lonely):
        for training in (False, True):
            model.train(training).zero_grad()
            pos = model(graph, noise=0.0, generator=torch.Generator().manual_seed(0)).pos
            assert pos.isfinite().all()
            if pos.requires_grad:
                pos.square().sum().backward()
                assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_that_is_not_finite_is_refused(kind: str, bad: float) -> None:
    batch = Batch.from_data_list([miniset(12), miniset(9)])
    batch.x[4, 2] = batch.x[15, 0] = bad
    with pytest.raises(InputError, match="expected a finite embedding x, found NaN or infinity in 2 of 21 nodes; drop"):
        build(kind)(batch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_diverged_shows_it(kind: str) -> None:
    model = build(kind).train()
    next(iter(model.parameters())).data.fill_(torch.nan)
    assert every_term(model, miniset(20)).isnan()


@pytest.mark.parametrize("kind", KINDS)
def test_samples_differ_and_are_those_of_their_seed(kind: str) -> None:
    model, graph = build(kind), miniset(20)
    quiet = model(graph).pos
    assert torch.equal(quiet, model(graph, noise=0.0).pos)
    if not model.samples:
        return
    drawn = [model(graph, noise=model.noise, generator=torch.Generator().manual_seed(s)).pos for s in (1, 1, 2, 3)]
    assert torch.equal(drawn[0], drawn[1])
    for a, b in pairwise([quiet, *drawn[1:]]):
        assert float(similarity_procrustes(a.detach(), b.detach(), allow_reflection=True).disparity) > 1e-8


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_training_lowers_the_energy_without_a_collapse(kind: str) -> None:
    model = build(kind, away=False, dtype=torch.float32).train()
    batch = Batch.from_data_list([miniset(40, seed=s, dtype=torch.float32) for s in (1, 2)])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    before = float(geometric_energy(model.eval()(batch).pos, batch).detach())
    for step in range(80):
        model.train()
        generator = torch.Generator().manual_seed(step)
        output = model(batch, generator=generator)
        energy = geometric_energy(output.pos, batch).as_subclass(Tensor)
        loss = 4 * linear_stress(output.pos, batch) + 0.3 * energy
        for weight, value in model.loss_terms(output, batch, generator).values():
            loss = loss + weight * value
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    new = miniset(40, seed=9, dtype=torch.float32)
    for graph in (batch, new):
        assert float(geometric_energy(model(graph).pos.detach(), graph)) < 0.6 * before
    found = collapse_statistics(model(new).pos.detach())
    assert found.eigenvalue_ratio > 0.2
    assert found.median_distance > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_reset_is_a_new_model(kind: str) -> None:
    with seeded_weights(5):
        model = recipe(kind).build(C)
        new = {name: value.clone() for name, value in model.state_dict().items()}
        after = torch.get_rng_state()
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            value.fill_(7)
    with seeded_weights(5):
        model.reset_parameters()
        assert all(torch.equal(value, new[name]) for name, value in model.state_dict().items())
        assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_without_memory_is_filled_by_a_reset(kind: str) -> None:
    """As large models are made: built on the meta device, then given memory and first weights."""
    with torch.device("meta"):
        model = recipe(kind).build(C)
    model.to_empty(device="cpu")
    with seeded_weights(5):
        model.reset_parameters()
    with seeded_weights(5):
        new = recipe(kind).build(C).state_dict()
    assert all(torch.equal(value, new[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_layouts_and_losses_are_float32(kind: str) -> None:
    model, graph = build(kind, dtype=torch.float32).train(), miniset(14, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        total = every_term(model, graph)
        pos = model.eval()(graph).pos
    assert total.dtype == pos.dtype == torch.float32
    total.backward()
    assert pos.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_model_needs_is_said(kind: str) -> None:
    model, graph = build(kind), miniset(12)
    with pytest.raises(InputError, match=r"expected an embedding x of shape \(n, 6\), found \(3, 5\)"):
        model(Data(x=torch.randn(3, 5), edge_index=torch.zeros(2, 0, dtype=torch.long)))
    output = model.train()(graph)
    own = model.needs - (
        {"gate_target"} if isinstance(model, GatedModel) else set()
    )  # the gate's losses are the recipe's
    for name in own:
        bare = graph.clone()
        del bare[name]
        with pytest.raises(InputError, match=f"expected {name} in the batch, found none"):
            model.loss_terms(output, bare)


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_in_an_output_means_what_it_says(kind: str) -> None:
    """Distances are at least 0, symmetric and 0 on self-loops; an operator's rows sum to one."""
    output = build(kind)(miniset(15))
    source, target = output.edge_index
    if output.distances is not None:
        dense = torch.zeros(15, 15, dtype=torch.float64)
        dense[target, source] = output.distances.detach()
        torch.testing.assert_close(dense, dense.T)
        assert (dense.diagonal() == 0).all()
        assert (output.distances >= 0).all()
    if output.operator is not None:
        rows = torch.zeros(15, dtype=torch.float64).index_add(0, target, output.operator.detach())
        torch.testing.assert_close(rows, torch.ones(15, dtype=torch.float64))
        assert (output.operator >= 0).all()
    if output.log_variance is not None:
        assert output.log_variance.shape == output.distances.shape
