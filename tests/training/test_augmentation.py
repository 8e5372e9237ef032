from __future__ import annotations

import torch
from torch_geometric.data import Batch, Data

from pyg_gears.graphs import candidate_graph
from pyg_gears.losses import gate_kl
from pyg_gears.training import TrainingRecipe
from pyg_gears.training.augmentation import augment, kept_edges
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def make_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    graphs = [
        Data(x=torch.randn(n, 5, generator=generator), pos=torch.rand(n, 2, generator=generator)) for n in (30, 45)
    ]
    return Batch.from_data_list([CandidateGraph(k=8)(GeometricTargets()(graph)) for graph in graphs])


def test_dropping_is_symmetric_and_leaves_every_node_an_edge() -> None:
    edge_index = candidate_graph(torch.randn(50, 4), k=3)
    kept = edge_index[:, kept_edges(edge_index, 50, 0.95, torch.Generator().manual_seed(1))]
    pairs = set(zip(*kept.tolist(), strict=True))
    assert all((j, i) in pairs for i, j in pairs)
    assert all((i, i) in pairs for i in range(50))
    other = kept[:, kept[0] != kept[1]]
    assert torch.bincount(other[1], minlength=50).min() >= 1
    assert kept.size(1) < edge_index.size(1)


def test_order_and_repeats_of_edges_do_not_part_a_pair() -> None:
    edge_index = candidate_graph(torch.randn(40, 4), k=5)
    repeated = torch.cat([edge_index, edge_index], dim=1)
    repeated = repeated[:, (repeated[1] * 40 + repeated[0]).argsort(stable=True)]
    shuffled = edge_index[:, torch.randperm(edge_index.size(1))]
    for edges in (repeated, shuffled):
        kept = edges[:, kept_edges(edges, 40, 0.9, torch.Generator().manual_seed(1))]
        assert kept.size(1) < edges.size(1)
        assert sorted(map(tuple, kept.T.tolist())) == sorted(map(tuple, kept.flip(0).T.tolist()))


def test_one_draw_a_pair_in_the_order_of_the_pairs() -> None:
    edge_index = candidate_graph(torch.randn(40, 4), k=5)
    source, target = edge_index
    drawn = torch.rand(int((source >= target).sum()), generator=torch.Generator().manual_seed(5))
    pairs = [tuple(sorted(edge)) for edge in edge_index.T.tolist()]
    by_pair = dict(zip(sorted(set(pairs)), drawn.tolist(), strict=True))
    expected = torch.tensor([by_pair[pair] >= 0.5 for pair in pairs])
    best = {node: max(by_pair[p] for p in by_pair if node in p and p[0] != p[1]) for node in range(40)}
    saved = torch.tensor([a == b or by_pair[a, b] in (best[a], best[b]) for a, b in pairs])
    assert torch.equal(kept_edges(edge_index, 40, 0.5, torch.Generator().manual_seed(5)), expected | saved)


def test_about_the_asked_share_is_dropped() -> None:
    edge_index = candidate_graph(torch.randn(200, 4), k=40)
    kept = kept_edges(edge_index, 200, 0.2, torch.Generator().manual_seed(2))
    other = edge_index[0] != edge_index[1]
    assert 0.77 < kept[other].float().mean() < 0.84


def test_augmentation_is_seeded_leaves_the_batch_and_renormalises() -> None:
    batch, std = make_batch(), torch.ones(5)
    before = batch.x.clone()
    one = augment(batch, TrainingRecipe(), std, torch.Generator().manual_seed(3))
    two = augment(batch, TrainingRecipe(), std, torch.Generator().manual_seed(3))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.edge_index, two.edge_index)
    assert torch.equal(batch.x, before)
    total = torch.zeros(75).index_add(0, one.edge_index[1], one.gate_target)
    assert (((total - 1).abs() < 1e-5) | (total == 0)).all()
    assert torch.isfinite(gate_kl(torch.zeros(one.edge_index.size(1)), one))


def test_noise_has_the_asked_size_and_slides_share_theirs() -> None:
    batch, std = make_batch(), torch.arange(1.0, 6.0)
    batch.x = torch.zeros(75, 5)
    recipe = TrainingRecipe(h_noise=0.3, slide_noise=0.0, h_dropout=0.0, edge_drop=0.0)
    draws = torch.stack([augment(batch, recipe, std, torch.Generator().manual_seed(s)).x for s in range(40)])
    torch.testing.assert_close(draws.std(dim=(0, 1)), 0.3 * std, rtol=0.1, atol=0)
    shared = augment(
        batch, TrainingRecipe(h_noise=0.0, slide_noise=0.5, h_dropout=0.0), std, torch.Generator().manual_seed(0)
    ).x
    assert torch.equal(shared[:30], shared[:1].expand(30, 5))
    assert not torch.equal(shared[0], shared[-1])


def test_nothing_asked_nothing_changed() -> None:
    batch = make_batch()
    quiet = TrainingRecipe(h_noise=0.0, slide_noise=0.0, h_dropout=0.0, edge_drop=0.0)
    result = augment(batch, quiet, torch.ones(5), torch.Generator().manual_seed(0))
    assert torch.equal(result.x, batch.x)
    assert torch.equal(result.edge_index, batch.edge_index)
