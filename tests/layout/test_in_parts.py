"""Work in parts gives what work in one piece gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from pyg_gears.layout import (
    LayoutSettings,
    PatchesOutput,
    PatchPredictor,
    VotesOutput,
    collect_votes,
    connectivity,
    joint_probabilities,
    neighbor_refinement,
    patchwise_layout,
    refine_neighbors,
    solve,
    solve_layout,
    symmetric_graph,
    votes,
)
from pyg_gears.layout.scales import synchronize_scales
from pyg_gears.layout.solve import isomap_start
from pyg_gears.transforms import CandidateGraph


@pytest.fixture
def sure_model(oracle):
    """Coordinates in clusters, with a unit of their own and a word on every distance."""

    class Sure(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            pos = super().forward(batch, noise, generator).pos
            gap = batch.x[batch.edge_index[0]] - batch.x[batch.edge_index[1]]
            return SimpleNamespace(
                pos=pos, latent=pos, edge_index=batch.edge_index, log_variance=gap.square().sum(dim=1)
            )

    return Sure


def clusters(n: int) -> torch.Tensor:
    rng = np.random.default_rng(1)
    centre = rng.standard_normal((5, 2)) * 2
    return torch.from_numpy(centre[rng.integers(0, 5, n)] + 0.4 * rng.standard_normal((n, 2))).float()


CASES = {
    "defaults": LayoutSettings(patch_size=64),
    "certainty": LayoutSettings(patch_size=64, certainty=True),
    "no global patches": LayoutSettings(patch_size=64, global_share=0.0),
    "global patches alone": LayoutSettings(patch_size=64, global_share=1.0, min_cover=6),
    "published": LayoutSettings.published().change({"patch_size": 64}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_layout_does_not_depend_on_the_votes_worked_on_at_a_time(sure_model, monkeypatch, case) -> None:
    x, settings = clusters(300), CASES[case]
    predictor = PatchPredictor([sure_model(0.2), sure_model(0.2, salt=1)], CandidateGraph(12, "euclidean"), settings)
    whole = patchwise_layout(predictor, x)
    assert whole.stitched.support.sum() > 8000  # several times what is worked on below
    monkeypatch.setattr(votes, "BLOCK", 2000)  # proposals are united in ranges
    monkeypatch.setattr(connectivity, "EDGES", 1500)
    monkeypatch.setattr(solve, "EDGES", 700)
    cut = patchwise_layout(predictor, x, block=2000)
    assert np.array_equal(cut.stitched.pairs, whole.stitched.pairs)
    for name in ("distance", "support", "dispersion", "confidence", "weight", "reliability"):
        np.testing.assert_allclose(
            getattr(cut.stitched, name), getattr(whole.stitched, name), rtol=1e-6, atol=1e-9, err_msg=name
        )
    assert np.abs(cut.solved.pos - whole.solved.pos).max() < 1e-5 * np.abs(whole.solved.pos).max()
    np.testing.assert_allclose(cut.solved.residual, whole.solved.residual, atol=1e-5)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 30))
def test_blocks_are_all_the_votes_with_none_of_a_pair_apart(sizes, most) -> None:
    rng, total = np.random.default_rng(sum(sizes)), sum(sizes)
    pairs = np.stack([np.zeros(len(sizes), dtype=np.int64), 1 + np.arange(len(sizes))])
    whole = VotesOutput(
        pairs, np.cumsum([0, *sizes]), np.arange(total), rng.random(total).astype(np.float32), rng.random(total)
    )
    found = list(whole.blocks(most))
    for name in ("patch", "log_distance", "weight"):
        assert np.array_equal(np.concatenate([getattr(own, name) for own, _ in found]), getattr(whole, name))
    assert np.array_equal(np.concatenate([own.pairs for own, _ in found], axis=1), pairs)
    assert np.array_equal(np.concatenate([np.diff(own.ptr) for own, _ in found]), sizes)
    for own, where in found:
        assert np.array_equal(whole.patch[where], own.patch)
        assert len(own.patch) <= most or len(own.ptr) == 2


@hypothesis_settings(deadline=None)
@given(st.integers(0, 999), st.integers(1, 3))
def test_the_votes_of_some_patches(seed, least) -> None:
    rng, n, sizes = np.random.default_rng(seed), 25, [9, 12, 7, 10]
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for size in sizes])
    patches = PatchesOutput(cells, np.cumsum([0, *sizes]), np.zeros(4, dtype=bool), n)
    every = collect_votes(patches, rng.random((1, len(cells), 2)).astype(np.float32), 3, 2)
    chosen = np.array([True, False, True, True])
    found = every.among(chosen, least)

    def listed(some: VotesOutput, own: np.ndarray) -> dict:
        table: dict = {}
        for pair, patch, value in zip(some.pair, some.patch, some.log_distance, strict=True):
            if own[patch]:
                table.setdefault(tuple(some.pairs[:, pair].tolist()), []).append((patch, value))
        return table

    assert listed(found, chosen) == {pair: own for pair, own in listed(every, chosen).items() if len(own) >= least}
    assert found.pairs.shape[1] == len(found.ptr) - 1 == len(np.unique(found.pair))


def test_votes_without_a_shared_pair_have_no_scales() -> None:
    pairs = np.array([[0, 1, 2], [1, 2, 3]])
    alone = VotesOutput(pairs, np.arange(4), np.array([0, 1, 2]), np.array([0.1, 0.5, 0.2], dtype=np.float32))
    assert synchronize_scales(alone, np.array([True, True, False]), block=1).tolist() == [0.0, 0.0, 0.0]


@given(st.integers(1, 40), st.integers(0, 80), st.integers(0, 999))
def test_parts_of_a_graph_taken_some_edges_at_a_time(n, edges, seed) -> None:
    ends = np.random.default_rng(seed).integers(0, n, (2, edges))
    graph = csr_array((np.ones(edges), (ends[0], ends[1])), shape=(n, n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectivity, "EDGES", 7)
        assert np.array_equal(connectivity.parts(n, ends), connected_components(graph, directed=False)[1])


def test_the_order_of_the_edges_does_not_matter_to_the_solve() -> None:
    rng, n = np.random.default_rng(0), 80
    truth = rng.random((n, 2))
    i, j = np.nonzero(np.triu(rng.random((n, n)) < 0.3, k=1))
    distance = np.linalg.norm(truth[i] - truth[j], axis=1) * np.exp(0.1 * rng.standard_normal(len(i)))
    pairs, start = np.stack([i, j]), isomap_start(n, np.stack([i, j]), distance)
    order, turned = rng.permutation(len(i)), rng.random(len(i)) < 0.5
    other = np.where(turned, pairs[::-1], pairs)[:, order]
    for huber in (None, 0.05):
        straight, mixed = (
            solve_layout(n, own, length, start=start, huber=huber)
            for own, length in ((pairs, distance), (other, distance[order]))
        )
        np.testing.assert_array_equal(mixed.pos, straight.pos)
        np.testing.assert_array_equal(mixed.residual, straight.residual[order])


def test_the_numbers_of_the_cells_do_not_matter() -> None:
    rng, n = np.random.default_rng(0), 200
    truth = rng.random((n, 2))
    start = truth + 0.05 * rng.standard_normal((n, 2))
    i, j = np.nonzero(np.triu(rng.random((n, n)) < 0.2, k=1))
    distance = np.linalg.norm(truth[i] - truth[j], axis=1) * np.exp(0.1 * rng.standard_normal(len(i)))
    number = rng.permutation(n)  # the new number of every cell
    moved, x = np.argsort(number), torch.from_numpy(np.sin(9 * truth))
    pairs = np.stack([i, j])
    solved = solve_layout(n, pairs, distance, start=start)
    again = solve_layout(n, number[pairs], distance, start=start[moved])
    np.testing.assert_allclose(again.pos[number], solved.pos, atol=1e-9)
    np.testing.assert_allclose(again.residual, solved.residual, atol=1e-9)
    refined = refine_neighbors(start, (x,), rounds=25)
    np.testing.assert_allclose(refine_neighbors(start[moved], (x[moved],), rounds=25)[number], refined, atol=1e-9)


def test_neighbours_are_refined_some_cells_at_a_time(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    x, pos = torch.from_numpy(rng.standard_normal((300, 4))), rng.standard_normal((300, 2))
    whole, refined = joint_probabilities(x, 20), refine_neighbors(pos, (x,), rounds=25)
    monkeypatch.setattr(neighbor_refinement, "ROWS", 37)
    cut = joint_probabilities(x, 20)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
    assert np.abs(refine_neighbors(pos, (x,), rounds=25) - refined).max() < 1e-9


@given(st.integers(2, 20), st.integers(0, 999), st.integers(1, 9))
def test_both_triangles_of_a_graph_with_its_zeros(n, seed, rows) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.stack(np.nonzero(np.triu(rng.random((n, n)) < 0.4, k=1))).astype(np.int32)
    value = rng.integers(0, 3, pairs.shape[1]).astype(float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symmetric_graph, "ROWS", rows)
        found = symmetric_graph.symmetric_graph(n, pairs, value)
    dense = np.zeros((n, n))
    dense[pairs[0], pairs[1]] = dense[pairs[1], pairs[0]] = value
    np.testing.assert_array_equal(found.toarray(), dense)
    assert found.nnz == 2 * pairs.shape[1]
    assert found.has_sorted_indices
    assert all(
        (np.diff(found.indices[a:b]) > 0).all() for a, b in zip(found.indptr[:-1], found.indptr[1:], strict=True)
    )
