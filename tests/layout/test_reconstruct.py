from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.layout import (
    LayoutSettings,
    PatchPredictor,
    WeightedLayout,
    patchwise_layout,
    reconstruct_layout,
    stitch_patches,
)
from pyg_gears.layout.fill import even_disc
from pyg_gears.transforms import CandidateGraph

SMALL = LayoutSettings(refinement_rounds=0, patch_size=96, overlap=16, locality_neighbors=15, batch_nodes=2000)
CANDIDATES = CandidateGraph(20, "euclidean")


def lay_out(models, x, settings=SMALL, **options):
    return reconstruct_layout(models, x, candidates=CANDIDATES, settings=settings, progress=False, **options)


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
    assert abs(output.distances - output.distances.T).max() == 0
    return output


@pytest.mark.parametrize("shape", ["rectangle", "ring"])
def test_patches_of_the_truth_give_the_layout_back(oracle, make_tissue, spearman, shape):
    x = make_tissue(1000, shape=shape)
    output = with_gauge(lay_out(oracle(0.1), x))
    assert output.report["mode"] == "patches"
    assert output.report["patches"] > 20
    assert spearman(output.pos, x.numpy()) > 0.98
    # The sparse distances are in the unit of the layout.
    found = output.distances.tocoo()
    length = np.linalg.norm(output.pos[found.row] - output.pos[found.col], axis=1)
    assert abs(np.median(np.log(length / found.data))) < 0.1


def test_whole_and_patches_agree(oracle, make_tissue, spearman):
    x = make_tissue(800)
    whole = with_gauge(lay_out(oracle(0.05), x, SMALL.change({"patch_size": 800})))
    patched = lay_out(oracle(0.05), x)
    assert (whole.report["mode"], patched.report["mode"]) == ("whole", "patches")
    a, b = (spearman(output.pos, x.numpy()) for output in (whole, patched))
    assert abs(a - b) < 0.02


def test_a_twentieth_of_noise_hardly_moves_it(oracle, make_tissue, spearman):
    x = make_tissue(1200)
    clean, spoilt = (lay_out(oracle(0.1, failures), x).pos for failures in (0.0, 0.05))
    assert abs(spearman(clean, x.numpy()) - spearman(spoilt, x.numpy())) < 0.02
    assert not np.array_equal(clean, spoilt)


def test_only_local_and_only_one_voter_kind_work(oracle, make_tissue, spearman):
    x = make_tissue(500)
    for settings in (
        SMALL.change({"global_share": 0.0}),
        SMALL.change({"global_share": 1.0}),
        SMALL.change({"samples": 2}),
    ):
        assert spearman(lay_out(oracle(0.1), x, settings).pos, x.numpy()) > 0.97


def test_global_patches_that_do_not_meet_join_the_local_ones(oracle, make_tissue, spearman):
    from pyg_gears.layout import draw_patches, locality_graph

    x = make_tissue(400)
    patches = draw_patches(locality_graph(x, 15, 0.05, "euclidean").graph, 96, 2, 16, 0.5, 0)
    apart = patches.is_global.copy()
    apart[len(np.flatnonzero(apart)) // 2 :] = False  # one pass over the cells: no two of these share one
    patches = replace(patches, is_global=apart)
    pos = PatchPredictor([oracle(0.1)], CANDIDATES, SMALL).predict(x, patches).pos
    assert spearman(stitch_patches(patches, pos, SMALL).solved.pos, x.numpy()) > 0.95


def test_the_same_seed_gives_the_same_answer_whatever_the_batch(oracle, make_tissue):
    x = make_tissue(400)
    settings = SMALL.change({"samples": 2})
    one = lay_out(oracle(), x, settings, seed=5)
    other = lay_out(oracle(), x, settings.change({"batch_nodes": 100}), seed=5)
    assert np.array_equal(one.pos, other.pos)
    assert np.array_equal(one.distances.toarray(), other.distances.toarray())
    assert one.report == other.report
    assert not np.array_equal(one.pos, lay_out(oracle(), x, settings, seed=6).pos)


def test_a_resumed_run_gives_the_same_answer(oracle, make_tissue, tmp_path):
    x, settings = make_tissue(400), SMALL.change({"shard_patches": 4})
    unbroken = lay_out(oracle(), x, settings, shard_dir=tmp_path)
    shards = sorted(tmp_path.iterdir())
    for path in shards[1::2]:
        path.unlink()
    model = oracle()
    resumed = lay_out(model, x, settings, shard_dir=tmp_path)
    assert np.array_equal(unbroken.pos, resumed.pos)
    assert 0 < sum(model.calls) < 96 * unbroken.report["patches"]


def test_more_voters_make_a_better_layout(oracle, make_tissue, spearman):
    x = make_tissue(300)
    whole = SMALL.change({"patch_size": 300})
    model = oracle(0.3)
    one = lay_out(model, x, whole)
    many = lay_out([oracle(0.3, salt=salt) for salt in range(6)], x, whole)
    assert (one.report["voters"], many.report["voters"]) == (1, 6)
    assert model.calls == [300]  # one voter is one prediction
    assert "voter_disagreement" not in one.report
    assert spearman(many.pos, x.numpy()) > spearman(one.pos, x.numpy()) + 0.02
    sharp = lay_out([oracle(0.05, salt=salt) for salt in range(6)], x, whole)
    assert many.report["voter_disagreement"] > 2 * sharp.report["voter_disagreement"]


@pytest.mark.parametrize("patch_size", [96, 600])
def test_a_regression_votes_with_its_weight(oracle, make_tissue, spearman, patch_size):
    x = make_tissue(600)
    settings = SMALL.change({"patch_size": patch_size})
    mirrored = WeightedLayout(7 - 40 * x.numpy().astype(np.float64) @ np.array([[0.0, 1.0], [1.0, 0.0]]), 1.0)
    noise = WeightedLayout(np.random.default_rng(0).standard_normal((600, 2)), 1.0)
    alone = spearman(lay_out(oracle(0.6), x, settings).pos, x.numpy())
    found = [
        spearman(lay_out(oracle(0.6), x, settings, regressions=[good._replace(weight=w), bad]).pos, x.numpy())
        for good, bad, w in (
            (mirrored, noise._replace(weight=1e-6), 1e-6),
            (mirrored, noise._replace(weight=1e-6), 1.0),
            (mirrored, noise._replace(weight=1e-6), 9.0),
        )
    ]
    assert abs(found[0] - alone) < 0.01
    assert alone + 0.03 < found[1] < found[2]
    spoilt = lay_out(oracle(0.6), x, settings, regressions=[noise])
    assert spoilt.report["voters"] == 2
    assert spearman(spoilt.pos, x.numpy()) < alone - 0.05


@pytest.mark.parametrize("n", [2, 3, 4, 9])
@pytest.mark.parametrize("same", [False, True])
def test_a_handful_of_cells(oracle, make_tissue, n, same):
    x = make_tissue(1).expand(n, 2) if same else make_tissue(n)
    output = lay_out(oracle(0.1), x)
    assert output.pos.shape == (n, 2)
    assert np.isfinite(output.pos).all()
    assert output.distances.shape == (n, n)


def test_one_cell_more_than_a_patch(oracle, make_tissue):
    output = lay_out(oracle(), make_tissue(97))
    assert output.report["mode"] == "patches"
    assert output.report["cover_min"] >= 4


def test_duplicated_cells(oracle, make_tissue, spearman):
    x = make_tissue(100).repeat(4, 1)
    assert spearman(lay_out(oracle(0.05), x).pos, x.numpy()) > 0.9


def test_the_area_is_filled_after_near_neighbours_are_refined(oracle, make_tissue):
    settings = SMALL.change({"patch_size": 300, "refinement_rounds": 10, "fill": 1.0})
    found = np.linalg.norm(lay_out(oracle(0.1), make_tissue(300), settings).pos, axis=1)
    assert np.allclose(np.sort(found), np.sort(np.linalg.norm(even_disc(300), axis=1)))


def test_filling_is_applied(oracle, make_tissue):
    x = make_tissue(300)
    plain = lay_out(oracle(), x)
    with_gauge(filled := lay_out(oracle(), x, SMALL.change({"fill": 1.0})))
    assert filled.report["fill"] == 1.0
    assert np.ptp(np.linalg.norm(filled.pos, axis=1)) < np.ptp(np.linalg.norm(plain.pos, axis=1))


def test_the_report_counts(oracle, make_tissue):
    x = make_tissue(400)
    found = patchwise_layout(PatchPredictor([oracle()], CANDIDATES, SMALL), x)
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
        lay_out(oracle(), x)
