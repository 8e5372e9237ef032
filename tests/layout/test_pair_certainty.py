"""How sure the models are: from their outputs through shards into the weights of votes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyg_gears.layout import (
    LayoutSettings,
    PatchesOutput,
    PatchPredictor,
    collect_votes,
    patchwise_layout,
    stitch_votes,
)
from pyg_gears.layout.pair_certainty import PairCertainty, pair_certainty
from pyg_gears.models import DistanceEGNN
from pyg_gears.transforms import CandidateGraph

CANDIDATES = CandidateGraph(8, "euclidean")
SURE = LayoutSettings(certainty=True, shard_patches=2)


def patches_of(sizes, n):
    rng = np.random.default_rng(0)
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for size in sizes])
    return PatchesOutput(cells, np.cumsum([0, *sizes]), np.zeros(len(sizes), dtype=bool), n)


@pytest.fixture
def knowing(oracle):
    """A model that is surer of near pairs, whatever batch they come in."""

    class Knowing(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            pos = super().forward(batch, noise, generator).pos
            gap = batch.x[batch.edge_index[0]] - batch.x[batch.edge_index[1]]
            return SimpleNamespace(pos=pos, edge_index=batch.edge_index, log_variance=gap.square().sum(dim=1) - 2)

    return Knowing


def test_pairs_get_the_mean_of_what_is_said_of_them() -> None:
    ptr = torch.tensor([0, 3, 4, 8])
    one = SimpleNamespace(
        edge_index=torch.tensor([[0, 2, 1, 5, 3, 7], [2, 0, 1, 4, 3, 4]]),
        log_variance=torch.tensor([1.0, 2.0, 50.0, 3.0, 50.0, -1.0]),
    )
    other = SimpleNamespace(edge_index=torch.tensor([[0, 1], [2, 2]]), log_variance=torch.tensor([6.0, 0.5]))
    silent = SimpleNamespace(edge_index=one.edge_index, log_variance=None)
    found = pair_certainty([one, silent, other, SimpleNamespace()], ptr)
    assert found.size.tolist() == [2, 0, 2]
    assert found.pair.tolist() == [2, 5, 1, 3]  # 0 and 2, 1 and 2 of three cells; 0 and 1, 0 and 3 of four
    assert found.log_variance.tolist() == [3.0, 0.5, 3.0, -1.0]
    assert found.weights() == pytest.approx(np.exp(np.array([-1.25, 1.25, -1.25, 2.75])))
    assert pair_certainty([silent], ptr).size.tolist() == [0, 0, 0]
    assert len(PairCertainty.join([]).weights()) == 0


def test_batches_and_shards_make_no_difference(knowing, make_tissue, tmp_path) -> None:
    patches, x = patches_of([20, 9, 30], 50), make_tissue(50)

    def predict(settings=SURE, **options):
        return PatchPredictor([knowing(), knowing(salt=1)], CANDIDATES, settings, **options).predict(x, patches)

    whole = predict()
    assert whole.certainty.size.sum() == len(whole.certainty.pair) > 100
    for again in (
        predict(SURE.change({"batch_nodes": 1, "samples": 2})),
        predict(shard_dir=tmp_path),
        predict(shard_dir=tmp_path),
    ):
        for part, same in zip(whole.certainty, again.certainty, strict=True):
            assert np.array_equal(part, same)
    assert predict(shard_dir=tmp_path).resumed == 2
    unsure = predict(SURE.change({"certainty": False}), shard_dir=tmp_path)
    assert unsure.resumed == 0
    assert len(unsure.certainty.pair) == 0
    assert np.array_equal(unsure.pos, whole.pos)
    # Each pair has the value of its cells.
    first = x[torch.from_numpy(patches[0])]
    place = whole.certainty.pair[: whole.certainty.size[0]]
    gap = (first[place // 20] - first[place % 20]).square().sum(dim=1) - 2
    assert whole.certainty.log_variance[: len(place)] == pytest.approx(gap.numpy(), abs=1e-6)


def test_a_vote_weighs_what_its_pair_is_said_to() -> None:
    patches = PatchesOutput(np.array([0, 1, 2, 1, 2, 3]), np.array([0, 3, 6]), np.array([False, False]), 4)
    pos = np.random.default_rng(0).random((1, 6, 2)).astype(np.float32)
    certainty = PairCertainty(np.array([1, 2]), np.array([5, 1, 2]), np.array([2.0, 0.0, -1.0], dtype=np.float32))
    votes = collect_votes(patches, pos, 2, 2, certainty=certainty)
    said = {(0, 1, 2): 2.0, (1, 1, 2): 0.0, (1, 1, 3): -1.0}
    for pair, patch, weight in zip(votes.pair, votes.patch, votes.weight, strict=True):
        key = (int(patch), *votes.pairs[:, pair].tolist())
        assert weight == pytest.approx(np.exp(-said.get(key, 0.0)))
    plain = collect_votes(patches, pos, 2, 2)
    assert plain.weight is None
    assert np.array_equal(plain.log_distance, votes.log_distance)
    shared = int(np.flatnonzero((votes.pairs == [[1], [2]]).all(axis=0))[0])
    scale, local = np.zeros(2), np.zeros(2, dtype=bool)
    sure, even = (stitch_votes(4, found, scale, local, 1, 1e9) for found in (votes, plain))
    truth = np.exp(votes.log_distance[(votes.pair == shared) & (votes.patch == 1)][0])
    assert abs(np.log(sure.distance[shared] / truth)) < abs(np.log(even.distance[shared] / truth))
    # Among votes of one value the sure pair also counts more in the solve.
    flat = replace(votes, log_distance=np.zeros_like(votes.log_distance))
    pull = stitch_votes(4, flat, scale, local, 1, 1e9)
    lone = [
        int(np.flatnonzero((votes.pairs == [[1], [3]]).all(axis=0))[0]),
        int(np.flatnonzero((votes.pairs == [[2], [3]]).all(axis=0))[0]),
    ]
    assert pull.weight[lone[0]] == pytest.approx(np.e * pull.weight[lone[1]])


def test_the_layout_is_better_where_a_model_knows_its_errors(oracle, make_tissue) -> None:
    """Cells that the model misplaces, others in every patch, and knows of: the mean of three tissues."""

    class Aware(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            pos, s = [], []
            for graph in batch.to_data_list():
                rng = np.random.default_rng(int(1e6 * graph.x[0, 0]) % 1000)
                lost = torch.from_numpy(rng.random(len(graph.x)) < 0.15)
                away = graph.x[torch.from_numpy(rng.permutation(len(graph.x)))]
                pos.append(torch.where(lost[:, None], away, graph.x))
                s.append(4.0 * lost[graph.edge_index].any(dim=0) - 2)
            return SimpleNamespace(pos=torch.cat(pos), edge_index=batch.edge_index, log_variance=torch.cat(s))

    def error(x: torch.Tensor, certainty: bool) -> float:
        settings = LayoutSettings(patch_size=40, certainty=certainty, refinement_rounds=0, fill=0)
        found = patchwise_layout(PatchPredictor([Aware()], CandidateGraph(39, "euclidean"), settings), x).solved.pos
        true, own = (torch.pdist(torch.as_tensor(p).double()) for p in (x, found))
        return float(1 - (true @ own) ** 2 / ((true @ true) * (own @ own)))

    tissues = [make_tissue(150, seed) for seed in range(3)]
    assert sum(error(x, True) for x in tissues) < 0.75 * sum(error(x, False) for x in tissues)


def test_distance_egnn_says_how_sure_it_is(make_tissue) -> None:
    torch.manual_seed(0)
    patches = patches_of([20, 15], 50)
    found = PatchPredictor([DistanceEGNN(2, 8, 1)], CANDIDATES, SURE).predict(make_tissue(50), patches)
    assert (found.certainty.size > 40).all()
    assert found.certainty.log_variance.std() > 0
