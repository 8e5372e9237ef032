from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.layout import InferenceSettings, PatchesOutput, predict_patches
from pyg_gears.transforms import CandidateGraph


def patches_of(sizes, n, seed=0):
    rng = np.random.default_rng(seed)
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for size in sizes])
    return PatchesOutput(cells, np.cumsum([0, *sizes]), np.zeros(len(sizes), dtype=bool), n)


SETTINGS = InferenceSettings(candidates=CandidateGraph(8, "euclidean"), samples=3, metric="euclidean", shard_patches=2)


def test_every_voter_is_gauge_fixed_per_patch(oracle, make_tissue):
    patches = patches_of([20, 9, 30], 50)
    pos = predict_patches([oracle(), oracle(salt=1)], make_tissue(50), patches, SETTINGS).pos
    assert pos.shape == (6, 59, 2)
    for patch in range(3):
        own = pos[:, patches.ptr[patch] : patches.ptr[patch + 1]]
        assert np.abs(own.mean(axis=1)).max() < 1e-6
        assert np.abs((own**2).sum(axis=2).mean(axis=1) - 1).max() < 1e-5
    assert len({pos[v].tobytes() for v in range(6)}) == 6


def test_the_batch_makes_no_difference(oracle, make_tissue):
    patches, x = patches_of([20, 9, 30, 25, 12], 50), make_tissue(50)
    results = [
        predict_patches(oracle(), x, patches, replace(SETTINGS, batch_nodes=budget), seed=3).pos
        for budget in (1, 45, 4096)
    ]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    other = predict_patches(oracle(), x, patches, SETTINGS, seed=4).pos
    assert np.array_equal(other[0], results[0][0])  # the first sample has no noise
    assert not np.array_equal(other[1], results[0][1])


def test_the_budget_is_kept(oracle, make_tissue):
    model = oracle()
    predict_patches(model, make_tissue(60), patches_of([20, 20, 20, 50], 60), InferenceSettings(batch_nodes=45))
    assert model.calls == [40, 20, 50]


class Killed(Exception):
    pass


def test_a_kill_costs_one_shard_and_changes_nothing(oracle, make_tissue, tmp_path):
    patches, x = patches_of([20, 9, 30, 25, 12, 14], 50), make_tissue(50)
    unbroken = predict_patches(oracle(), x, patches, SETTINGS, seed=1).pos

    class Dying(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            if any(len(graph.x) == 12 for graph in batch.to_data_list()):
                raise Killed
            return super().forward(batch, noise, generator)

    Dying.__qualname__ = oracle.__qualname__
    with pytest.raises(Killed):
        predict_patches(Dying(), x, patches, SETTINGS, seed=1, shard_dir=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard_00000.npz", "shard_00001.npz"]
    model = oracle()
    resumed = predict_patches(model, x, patches, SETTINGS, seed=1, shard_dir=tmp_path)
    assert resumed.resumed == 2
    assert np.array_equal(resumed.pos, unbroken)
    assert sum(model.calls) == 3 * (12 + 14)


@pytest.mark.parametrize("change", ["seed", "x", "model", "settings", "damage"])
def test_a_foreign_shard_is_not_used(oracle, make_tissue, tmp_path, change):
    patches, x, model, settings, seed = patches_of([20, 9], 50), make_tissue(50), oracle(), SETTINGS, 1
    model.weight = torch.nn.Parameter(torch.zeros(2))
    predict_patches(model, x, patches, settings, seed, shard_dir=tmp_path)
    assert predict_patches(model, x, patches, settings, seed, shard_dir=tmp_path).resumed == 1
    if change == "seed":
        seed = 2
    elif change == "x":
        x = x + 1e-3
    elif change == "model":
        torch.nn.init.ones_(model.weight)
    elif change == "settings":
        settings = replace(settings, candidates=CandidateGraph(7, "euclidean"))
    else:
        (tmp_path / "shard_00000.npz").write_bytes(b"half a file")
    assert predict_patches(model, x, patches, settings, seed, shard_dir=tmp_path).resumed == 0


def test_training_mode_is_given_back(oracle, make_tissue):
    models = [oracle().train(), oracle().eval()]
    predict_patches(models, make_tissue(20), patches_of([10], 20), InferenceSettings())
    assert [model.training for model in models] == [True, False]


def test_a_model_that_diverged_is_named(make_tissue):
    def broken(batch):
        return SimpleNamespace(pos=torch.full((len(batch.x), 2), torch.nan))

    with pytest.raises(InputError, match="finite coordinates from the model, found 10 cells without"):
        predict_patches(broken, make_tissue(20), patches_of([10], 20), InferenceSettings())


def test_no_model_is_refused(make_tissue):
    with pytest.raises(InputError, match="at least one model, found none"):
        predict_patches([], make_tissue(20), patches_of([10], 20), InferenceSettings())


def test_a_real_model_does_not_depend_on_the_batch_either(make_tissue):
    from pyg_gears.models import IPALite

    torch.manual_seed(0)
    model = IPALite(2, hidden_channels=8, heads=2, head_channels=4, recycles=2)
    patches, x = patches_of([20, 9, 30], 50), make_tissue(50)
    a, b = (predict_patches(model, x, patches, replace(SETTINGS, batch_nodes=size)).pos for size in (1, 4096))
    assert np.abs(a - b).max() < 1e-4
