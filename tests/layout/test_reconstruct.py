from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.layout import InferenceSettings, patchwise_layout, reconstruct_layout, row_spearman, stitch_patches
from pyg_gears.transforms import CandidateGraph

SMALL = InferenceSettings(
    patch_size=96,
    overlap=16,
    whole_below=0,
    metric="euclidean",
    candidates=CandidateGraph(20, "euclidean"),
    locality_neighbors=15,
    batch_nodes=2000,
)


def with_gauge(output):
    """The pose in which layouts are promised."""
    pos = output.pos
    assert pos.dtype == np.float64
    assert np.abs(pos.mean(axis=0)).max() < 1e-6
    covariance = pos.T @ pos / len(pos)
    assert np.isclose(np.trace(covariance), 1.0, atol=1e-6)
    assert abs(covariance[0, 1]) < 1e-6
    assert covariance[0, 0] >= covariance[1, 1]
    assert ((pos**3).sum(axis=0) >= -1e-6).all()
    distances, weights = output.distances, output.weights
    assert np.array_equal(distances.indices, weights.indices)
    assert abs(distances - distances.T).max() == 0
    assert weights.data.min() > 0
    assert weights.data.max() < 1
    assert np.isfinite(output.spread).all()
    return output


@pytest.mark.parametrize("shape", ["rectangle", "ring"])
def test_patches_of_the_truth_give_the_layout_back(oracle, make_tissue, spearman, shape):
    x = make_tissue(1000, shape=shape)
    output = with_gauge(reconstruct_layout(oracle(0.1), x, SMALL, seed=0))
    assert output.report["mode"] == "patches"
    assert output.report["patches"] > 20
    assert spearman(output.pos, x.numpy()) > 0.98
    # The sparse distances are in the unit of the layout.
    found = output.distances.tocoo()
    length = np.linalg.norm(output.pos[found.row] - output.pos[found.col], axis=1)
    assert abs(np.median(np.log(length / found.data))) < 0.1


def test_whole_and_patches_agree(oracle, make_tissue, spearman):
    x = make_tissue(800)
    whole = with_gauge(reconstruct_layout(oracle(0.05), x, replace(SMALL, whole_below=800)))
    patched = reconstruct_layout(oracle(0.05), x, SMALL)
    assert (whole.report["mode"], patched.report["mode"]) == ("whole", "patches")
    a, b = (spearman(output.pos, x.numpy()) for output in (whole, patched))
    assert abs(a - b) < 0.02


def test_a_twentieth_of_noise_hardly_moves_it(oracle, make_tissue, spearman):
    x = make_tissue(1200)
    clean, spoilt = (reconstruct_layout(oracle(0.1, failures), x, SMALL).pos for failures in (0.0, 0.05))
    assert abs(spearman(clean, x.numpy()) - spearman(spoilt, x.numpy())) < 0.02
    assert not np.array_equal(clean, spoilt)


def test_only_local_and_only_one_voter_kind_work(oracle, make_tissue, spearman):
    x = make_tissue(500)
    for settings in (replace(SMALL, global_share=0.0), replace(SMALL, global_share=1.0), replace(SMALL, samples=2)):
        assert spearman(reconstruct_layout(oracle(0.1), x, settings).pos, x.numpy()) > 0.97


def test_global_patches_that_do_not_meet_join_the_local_ones(oracle, make_tissue, spearman):
    from pyg_gears.layout import draw_patches, locality_graph, predict_patches

    x = make_tissue(400)
    patches = draw_patches(locality_graph(x, 15, 0.05, "euclidean").graph, 96, 2, 16, 0.5, 0)
    apart = patches.is_global.copy()
    apart[len(np.flatnonzero(apart)) // 2 :] = False  # one pass over the cells: no two of these share one
    patches = replace(patches, is_global=apart)
    pos = predict_patches(oracle(0.1), x, patches, SMALL).pos
    assert spearman(stitch_patches(patches, pos, SMALL).solved.pos, x.numpy()) > 0.95


def test_the_same_seed_gives_the_same_answer_whatever_the_batch(oracle, make_tissue):
    x = make_tissue(400)
    settings = replace(SMALL, samples=2)
    one = reconstruct_layout(oracle(), x, settings, seed=5)
    other = reconstruct_layout(oracle(), x, replace(settings, batch_nodes=100), seed=5)
    assert np.array_equal(one.pos, other.pos)
    assert np.array_equal(one.spread, other.spread)
    assert one.report == other.report
    assert not np.array_equal(one.pos, reconstruct_layout(oracle(), x, settings, seed=6).pos)


def test_a_resumed_run_gives_the_same_answer(oracle, make_tissue, tmp_path):
    x, settings = make_tissue(400), replace(SMALL, shard_patches=4)
    unbroken = reconstruct_layout(oracle(), x, settings, shard_dir=tmp_path)
    shards = sorted(tmp_path.iterdir())
    for path in shards[1::2]:
        path.unlink()
    model = oracle()
    resumed = reconstruct_layout(model, x, settings, shard_dir=tmp_path)
    assert np.array_equal(unbroken.pos, resumed.pos)
    assert 0 < sum(model.calls) < 96 * unbroken.report["patches"]


def test_more_voters_make_a_better_layout_and_tell_the_spread(oracle, make_tissue, spearman):
    x = make_tissue(300)
    whole = replace(SMALL, whole_below=300)
    one = reconstruct_layout(oracle(0.3), x, whole)
    many = reconstruct_layout([oracle(0.3, salt=salt) for salt in range(6)], x, whole)
    assert (one.report["voters"], many.report["voters"]) == (1, 6)
    assert spearman(many.pos, x.numpy()) > spearman(one.pos, x.numpy()) + 0.02
    assert one.spread.min() > 0  # from the second, noisy prediction
    vague = reconstruct_layout([oracle(0.6, salt=salt) for salt in range(6)], x, whole)
    assert vague.spread.mean() > 1.3 * many.spread.mean()


def test_cells_that_the_model_cannot_place_have_a_wide_spread(make_tissue, oracle):
    x = make_tissue(600)
    lost = torch.arange(600) % 5 == 0
    x = torch.cat([x, 1e-3 * lost[:, None].float()], dim=1)
    output = reconstruct_layout(oracle(0.05), x, SMALL)
    assert np.median(output.spread[lost.numpy()]) > 1.3 * np.median(output.spread[~lost.numpy()])
    quality = row_spearman(output.pos, x[:, :2].numpy())
    assert quality[lost.numpy()].mean() < quality[~lost.numpy()].mean()


@pytest.mark.parametrize("n", [2, 3, 4, 9])
@pytest.mark.parametrize("same", [False, True])
def test_a_handful_of_cells(oracle, make_tissue, n, same):
    x = make_tissue(1).expand(n, 2) if same else make_tissue(n)
    output = reconstruct_layout(oracle(0.1), x, SMALL)
    assert output.pos.shape == (n, 2)
    assert np.isfinite(output.pos).all()
    assert np.isfinite(output.spread).all()
    assert output.distances.shape == (n, n)


def test_one_cell_more_than_a_patch(oracle, make_tissue):
    output = reconstruct_layout(oracle(), make_tissue(97), SMALL)
    assert output.report["mode"] == "patches"
    assert output.report["cover_min"] >= 4


def test_duplicated_cells(oracle, make_tissue, spearman):
    x = make_tissue(100).repeat(4, 1)
    assert spearman(reconstruct_layout(oracle(0.05), x, SMALL).pos, x.numpy()) > 0.9


def test_filling_and_polish_are_applied(oracle, make_tissue):
    x = make_tissue(300)
    plain = reconstruct_layout(oracle(), x, SMALL)
    with_gauge(filled := reconstruct_layout(oracle(), x, replace(SMALL, fill=1.0)))
    assert filled.report["fill"] == 1.0
    assert np.ptp(np.linalg.norm(filled.pos, axis=1)) < np.ptp(np.linalg.norm(plain.pos, axis=1))
    polished = reconstruct_layout(oracle(), x, replace(SMALL, polish=20))
    assert polished.report["stress"] != plain.report["stress"]
    assert np.abs(np.abs(polished.pos) - np.abs(plain.pos)).max() < 0.1


def test_the_report_counts(oracle, make_tissue):
    x = make_tissue(400)
    found = patchwise_layout(oracle(), x, SMALL, 0, None, False)
    report = found.report
    assert report["cells"] == 400
    assert report["pairs"] == found.stitched.pairs.shape[1]
    assert report["cover_mean"] * 400 == report["patches"] * 96
    assert 0 < report["residual_median"] <= report["residual_max"]
    assert all(isinstance(value, int | float | str) for value in report.values())


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (torch.zeros(1, 3), "at least 2 cells by channels, found shape"),
        (torch.zeros(5), "at least 2 cells by channels, found shape"),
        (torch.full((4, 2), torch.nan), "a finite embedding, found 4 cells"),
    ],
)
def test_bad_embeddings_are_refused(oracle, x, text):
    with pytest.raises(InputError, match=text):
        reconstruct_layout(oracle(), x, SMALL)
