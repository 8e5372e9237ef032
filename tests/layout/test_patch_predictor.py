from __future__ import annotations

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings, PatchesOutput, PatchPredictor
from pyg_gears.layout.patch_predictor import _on_loan
from pyg_gears.transforms import CandidateGraph


def patches_of(sizes, n, seed=0):
    rng = np.random.default_rng(seed)
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for size in sizes])
    return PatchesOutput(cells, np.cumsum([0, *sizes]), np.zeros(len(sizes), dtype=bool), n)


SETTINGS = LayoutSettings(samples=3, shard_patches=2)
CANDIDATES = CandidateGraph(8, "euclidean")


def predict(models, x, patches, settings=SETTINGS, **options):
    """What one model, or several, predict."""
    voters = [models] if callable(models) else models
    return PatchPredictor(voters, CANDIDATES, settings, **options).predict(x, patches)


def test_every_voter_is_gauge_fixed_per_patch(oracle, make_tissue):
    patches = patches_of([20, 9, 30], 50)
    pos = predict([oracle(), oracle(salt=1)], make_tissue(50), patches).pos
    assert pos.shape == (6, 59, 2)
    for patch in range(3):
        own = pos[:, patches.ptr[patch] : patches.ptr[patch + 1]]
        assert np.abs(own.mean(axis=1)).max() < 1e-6
        assert np.abs((own**2).sum(axis=2).mean(axis=1) - 1).max() < 1e-5
    assert len({pos[v].tobytes() for v in range(6)}) == 6


def test_the_batch_makes_no_difference(oracle, make_tissue):
    patches, x = patches_of([20, 9, 30, 25, 12], 50), make_tissue(50)
    results = [
        predict(oracle(), x, patches, SETTINGS.change({"batch_nodes": budget}), seed=3).pos for budget in (1, 45, 4096)
    ]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
    other = predict(oracle(), x, patches, seed=4).pos
    assert np.array_equal(other[0], results[0][0])  # the first sample has no noise
    assert not np.array_equal(other[1], results[0][1])


def test_the_budget_is_kept(oracle, make_tissue):
    model = oracle()
    predict(model, make_tissue(60), patches_of([20, 20, 20, 50], 60), LayoutSettings(batch_nodes=45))
    assert model.calls == [40, 20, 50]


class Killed(Exception):
    pass


def test_a_kill_costs_one_shard_and_changes_nothing(oracle, make_tissue, tmp_path):
    patches, x = patches_of([20, 9, 30, 25, 12, 14], 50), make_tissue(50)
    unbroken = predict(oracle(), x, patches, seed=1).pos

    class Dying(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            if any(len(graph.x) == 12 for graph in batch.to_data_list()):
                raise Killed
            return super().forward(batch, noise, generator)

    Dying.__qualname__ = oracle.__qualname__
    with pytest.raises(Killed):
        predict(Dying(), x, patches, seed=1, shard_dir=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shard_00000.npz", "shard_00001.npz"]
    model = oracle()
    resumed = predict(model, x, patches, seed=1, shard_dir=tmp_path)
    assert resumed.resumed == 2
    assert np.array_equal(resumed.pos, unbroken)
    assert sum(model.calls) == 3 * (12 + 14)


@pytest.mark.parametrize(
    "change", ["seed", "x", "weights", "noise", "samples", "candidates", "half", "no array", "torn zip"]
)
def test_a_foreign_or_damaged_shard_is_not_used(oracle, make_tissue, tmp_path, change):
    patches, x, model = patches_of([20, 9], 50), make_tissue(50), oracle()
    model.weight = torch.nn.Parameter(torch.zeros(2))
    candidates, settings, seed = CANDIDATES, SETTINGS, 1

    def resumed():
        return PatchPredictor([model], candidates, settings, seed, shard_dir=tmp_path).predict(x, patches).resumed

    assert (resumed(), resumed()) == (0, 1)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    if change == "seed":
        seed = 2
    elif change == "x":
        x = x + 1e-3
    elif change == "weights":
        torch.nn.init.ones_(model.weight)
    elif change == "noise":
        model.noise = 0.5
    elif change == "samples":
        settings = SETTINGS.change({"samples": 2})
    elif change == "candidates":
        candidates = CandidateGraph(7, "euclidean")
    else:
        path.write_bytes({"half": whole[: len(whole) // 2], "no array": b"text", "torn zip": whole[:-9]}[change])
    assert resumed() == 0


@pytest.mark.parametrize("fails", [False, True])
def test_models_are_given_back_in_their_mode_and_on_their_device(oracle, make_tissue, fails):
    class Failing(oracle):
        def forward(self, batch, noise=0.0, generator=None):
            raise Killed

    models = [oracle().train(), Failing().eval() if fails else oracle().eval()]
    modes = []
    models[0].register_forward_pre_hook(lambda model, _: modes.append(model.training))
    with pytest.raises(Killed) if fails else nullcontext():
        predict(models, make_tissue(20), patches_of([10], 20), LayoutSettings())
    assert modes == [False]
    assert [model.training for model in models] == [True, False]
    moves = []

    class Lent(torch.nn.Linear):
        def to(self, device):
            moves.append(device.type)
            return self

    with _on_loan(Lent(2, 2), torch.device("cuda")):
        assert moves == ["cuda"]
    assert moves == ["cuda", "cpu"]


def test_models_are_given_back_at_once_where_a_shard_cannot_be_written(oracle, make_tissue, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("pyg_gears.layout.patch_predictor.write_shard", full)
    model = oracle().train()
    with pytest.raises(OSError, match="no space left") as held:  # its traceback keeps every frame alive
        predict([model], make_tissue(20), patches_of([10], 20), LayoutSettings(), shard_dir=tmp_path)
    assert held.value is not None
    assert model.training


def test_the_noise_is_drawn_on_the_cpu_whatever_the_device(make_tissue):
    """The same draw on every device: a generator of the device would give another layout there."""

    def model(batch, noise, generator):
        assert batch.x.is_meta
        assert generator.device.type == "cpu"
        raise Killed

    predictor = PatchPredictor([model], CANDIDATES, SETTINGS, device="meta")
    with pytest.raises(Killed):
        predictor._vote(0, 1, Batch.from_data_list([Data(x=make_tissue(5))]).to("meta"), [0])


def test_a_model_that_diverged_is_named(make_tissue):
    def broken(batch):
        return SimpleNamespace(pos=torch.full((len(batch.x), 2), torch.nan))

    with pytest.raises(InputError, match="finite coordinates from the model, found 10 cells without"):
        predict(broken, make_tissue(20), patches_of([10], 20), LayoutSettings())


def test_no_model_is_refused(make_tissue):
    with pytest.raises(InputError, match="at least one model, found none"):
        predict([], make_tissue(20), patches_of([10], 20), LayoutSettings())


def test_a_real_model_does_not_depend_on_the_batch_either(make_tissue):
    from pyg_gears.models import IPALite

    torch.manual_seed(0)
    model = IPALite(2, hidden_channels=8, heads=2, head_channels=4, recycles=2)
    patches, x = patches_of([20, 9, 30], 50), make_tissue(50)
    a, b = (predict(model, x, patches, SETTINGS.change({"batch_nodes": size})).pos for size in (1, 4096))
    assert np.abs(a - b).max() < 1e-4


def test_a_process_without_stderr_predicts_the_same(oracle, make_tissue, monkeypatch):
    patches, x = patches_of([20, 9, 30], 50), make_tissue(50)
    expected = predict(oracle(), x, patches).pos
    monkeypatch.setattr(sys, "stderr", None)
    assert np.array_equal(predict(oracle(), x, patches).pos, expected)
