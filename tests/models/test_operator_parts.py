"""Operators: their loss, their decoders, and the two models that make one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.geometry import gauge_fix, similarity_procrustes
from pyg_gears.losses import operator_kl, random_walk_kl
from pyg_gears.models import OperatorNet, OperatorVAE
from pyg_gears.models.operator_decoders import (
    implied_distance,
    operator_weights,
    relax,
    spectral_coordinates,
)
from pyg_gears.models.operator_net import _gap
from pyg_gears.nn import pad_sets
from pyg_gears.targets import log_affinity, log_transitions
from pyg_gears.testing import random_graphs
from pyg_gears.transforms import CandidateGraph, GeometricTargets
from tests.pairwise_distance import pairwise_distance

C = 5


def miniset(n: int, seed: int = 0) -> tuple[Data, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pos = gauge_fix(torch.randn(n, 2, generator=generator, dtype=torch.float64))
    x = torch.cat([pos, torch.randn(n, C - 2, generator=generator, dtype=torch.float64)], dim=1)
    return CandidateGraph(8)(GeometricTargets(k=6)(Data(x=x, pos=pos))), pos


def all_pairs(n: int) -> Tensor:
    return torch.cartesian_prod(torch.arange(n), torch.arange(n)).T


def test_the_kl_of_an_operator_is_that_of_the_layout_which_has_it() -> None:
    (one, first), (two, second) = miniset(12), miniset(9, 1)
    batch = Batch.from_data_list([one, two])
    pos = torch.cat([first, second]) + 0.3 * torch.randn(
        21, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    edges = batch.rw_edge_index
    x = gauge_fix(pos, batch.batch)
    operator = log_transitions(log_affinity(x, edges, batch.sigma), batch.rw_multiplicity, edges, 21).exp()
    torch.testing.assert_close(operator_kl(operator, edges, batch), random_walk_kl(pos, batch))
    true = log_transitions(batch.rw_log_ref, batch.rw_multiplicity, edges, 21).exp()
    assert float(operator_kl(true, edges, batch)) == pytest.approx(0.0, abs=1e-9)
    assert float(operator_kl(operator, edges, batch)) > 0.01


def test_weights_are_in_detailed_balance() -> None:
    edges = all_pairs(6)
    logits = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = operator_weights((logits + logits.T)[edges[1], edges[0]], edges, 6)
    transition = torch.zeros(6, 6, dtype=torch.float64)
    transition[edges[1], edges[0]] = found.transition
    torch.testing.assert_close(transition.sum(dim=1), torch.ones(6, dtype=torch.float64))
    assert (transition.diagonal() == 0).all()
    flow = found.log_degree.exp()[:, None] * transition
    torch.testing.assert_close(flow, flow.T)
    alone = operator_weights(torch.zeros(1), torch.tensor([[0], [0]]), 2)
    assert alone.transition.tolist() == [0.0]
    assert alone.log_degree.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("decoder", ["spectral", "diffusion"])
def test_a_ring_is_decoded_as_a_ring(decoder: str) -> None:
    n = 12
    node = torch.arange(n)
    edges = torch.cat([torch.stack([node, (node + 1) % n]), torch.stack([(node + 1) % n, node])], dim=1)
    operator = operator_weights(torch.zeros(2 * n, dtype=torch.float64), edges, n)
    pos, spectrum = spectral_coordinates(operator, edges, torch.zeros(n, dtype=torch.long), pad_sets(None, n), decoder)
    angle = 2 * torch.pi * node.double() / n
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    assert float(similarity_procrustes(pos, ring, allow_reflection=True).disparity) < 1e-9
    cosine = torch.cos(torch.tensor([0.0, 1.0, 1.0, 2.0], dtype=torch.float64) * 2 * torch.pi / n)
    torch.testing.assert_close(spectrum[0], cosine)


def test_padding_leaves_the_spectrum_of_a_small_dense_graph_alone() -> None:
    """Without self-loops a complete graph has negative eigenvalues; zeros of padding would come before them."""
    big, small = all_pairs(9), all_pairs(5) + 9
    edges = torch.cat([big, small], dim=1)
    operator = operator_weights(torch.zeros(edges.size(1), dtype=torch.float64), edges, 14)
    batch = torch.tensor([0] * 9 + [1] * 5)
    _, spectrum = spectral_coordinates(operator, edges, batch, pad_sets(batch, 14), "spectral")
    torch.testing.assert_close(spectrum[1], torch.tensor([1.0, -0.25, -0.25, -0.25], dtype=torch.float64))


def test_springs_find_the_layout_that_has_the_weights() -> None:
    truth = gauge_fix(torch.randn(14, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    edges, sigma = all_pairs(14), torch.full((14,), 0.8, dtype=torch.float64)
    square = pairwise_distance(truth)[edges[1], edges[0]].square() / 0.64
    log_weight = -square.clamp(min=1e-9).expm1().log()  # softplus of minus this is the square
    length = implied_distance(log_weight, sigma, edges)
    torch.testing.assert_close(length, pairwise_distance(truth)[edges[1], edges[0]], atol=1.1e-3, rtol=1e-3)
    start = truth + 0.3 * torch.randn(14, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    found = relax(start, edges, length, 100)
    before, after = (float(similarity_procrustes(p, truth, allow_reflection=True).disparity) for p in (start, found))
    assert after < 0.1 * before


def test_a_wider_gap_costs_less() -> None:
    near, far = torch.tensor([[1.0, 0.9, 0.89, 0.1]]), torch.tensor([[1.0, 0.6, 0.2, 0.1]])
    assert float(_gap(near)) > float(_gap(far))
    equal = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert _gap(equal).isfinite()


def test_the_decoders_differ() -> None:
    graph = random_graphs([14], C)[0]
    layouts = []
    for decoder in ("spectral", "diffusion", "springs"):
        torch.manual_seed(0)
        model = OperatorNet(C, 8, 1, 3, 2, decoder=decoder, spring_steps=2).eval()
        output = model(graph)
        assert len(output.coordinates) == (2 if decoder == "springs" else 1)
        layouts.append(output.pos.detach())
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(pairwise_distance(layouts[a]), pairwise_distance(layouts[b]), atol=1e-3)


def test_the_posterior_reads_the_truth_in_training_only() -> None:
    torch.manual_seed(0)
    model, (graph, _) = OperatorVAE(C, 8, 1, 3, 2, latent_channels=3, noise=0.0).double(), miniset(12)
    other = graph.clone()
    other.gate_target = other.gate_target.flip(0)
    assert torch.equal(model.eval()(graph).pos, model(other).pos)
    model.train()
    assert not torch.allclose(model(graph).pos, model(other).pos)
    # On other edges there is no truth to read: the prior takes its place.
    torch.testing.assert_close(model(graph, edge_index=graph.edge_index).pos, model.eval()(graph).pos)


def test_the_kl_of_the_latents_is_that_of_normal_distributions() -> None:
    torch.manual_seed(0)
    model, (graph, _) = OperatorVAE(C, 8, 1, 3, 2, latent_channels=3).double().train(), miniset(12)
    output = model(graph)
    found = model.loss_terms(output, graph)["latent_kl"][1]
    h = output.state
    q, p = model._posterior(h, output.edge_index, graph), model._prior(h)
    normals = [torch.distributions.Normal(one.mean, (0.5 * one.log_variance).exp()) for one in (q, p)]
    expected = torch.distributions.kl_divergence(*normals).sum(dim=1).mean()
    torch.testing.assert_close(found, expected)
