from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders.registry import encoder_from_state
from pyg_gears.encoders.single_cell_adapter import shrunk_covariance
from pyg_gears.lab.encoders import coral_sweep
from pyg_gears.lab.encoders.aligned import AlignedEncoder
from pyg_gears.lab.encoders.comparison_rows import CORAL, comparison_rows, fit_coral, fit_pca
from pyg_gears.lab.encoders.conditional_alignment import LEAST, ConditionalAlignedEncoder
from pyg_gears.lab.encoders.pooled_pca import PooledPCAEncoder
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import slides_subject


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("layers", slides=3, cells=30, seed=0, spots=120, genes=60).slides


@pytest.fixture(scope="module")
def base(slides) -> PooledPCAEncoder:
    return PooledPCAEncoder.fit(slides[:2], n_components=4)


@pytest.fixture(scope="module")
def guide(slides):
    return fit_pca(slides[:2], 3, "pca")


def test_one_cluster_is_alignment_of_whole_slides(slides, base, guide) -> None:
    whole = AlignedEncoder.fit(base, slides[:2])
    one = ConditionalAlignedEncoder.fit(base, guide, slides[:2], clusters=1)
    for slide in slides:
        torch.testing.assert_close(one.encode(slide), whole.encode(slide), atol=1e-5, rtol=1e-5)


def test_each_cluster_gets_the_moments_of_the_training_slides(slides, base, guide) -> None:
    """Against the formula in float64, cluster by cluster."""
    from scipy.linalg import sqrtm

    encoder = ConditionalAlignedEncoder.fit(base, guide, slides[:2], clusters=2, seed=1)
    centers = encoder.centers.numpy()

    def nearest(slide) -> np.ndarray:
        g = guide.encode(slide).double().numpy()
        return np.array([min(range(2), key=lambda k: float(np.square(row - centers[k]).sum())) for row in g])

    raw = [base.encode(slide).double().numpy() for slide in slides[:2]]
    found, cluster = encoder.encode(slides[2]).double().numpy(), nearest(slides[2])
    for k in range(2):
        members = [x[nearest(slide) == k] for x, slide in zip(raw, slides[:2], strict=True)]
        mean = np.concatenate(members).mean(axis=0)
        within = np.concatenate([x - x.mean(axis=0) for x in members])
        mine = base.encode(slides[2]).double().numpy()[cluster == k]
        assert min(len(mine), *map(len, members)) >= LEAST
        goal, own = (shrunk_covariance(torch.from_numpy(x)).numpy() for x in (within, mine))
        weight = sqrtm(goal) @ np.linalg.inv(sqrtm(own))
        expected = (mine - mine.mean(axis=0)) @ weight.T + mean
        np.testing.assert_allclose(found[cluster == k], expected, atol=1e-4)


def test_a_small_cluster_moves_as_the_whole_slide_does(slides, base) -> None:
    guide = PooledPCAEncoder.fit(slides[:2], n_components=3)  # not centred by slide: leaving spots out moves no cluster
    encoder = ConditionalAlignedEncoder.fit(base, guide, slides[:2], clusters=2, seed=1)
    cluster = torch.cdist(guide.encode(slides[2]).double(), encoder.centers).argmin(dim=1).numpy()
    few = int(np.bincount(cluster, minlength=2).argmin())
    kept = np.concatenate([np.flatnonzero(cluster == few)[: LEAST - 1], np.flatnonzero(cluster != few)])
    small = np.arange(len(kept)) < LEAST - 1
    thinned = slides[2].select(kept)
    whole, found = AlignedEncoder.fit(base, slides[:2]).encode(thinned), encoder.encode(thinned)
    torch.testing.assert_close(found[small], whole[small], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found[~small], whole[~small], atol=1e-2)


def test_slides_that_differ_in_composition_keep_the_difference() -> None:
    """A slide of one kind of spots and one of both: alignment of whole slides makes one kind look like two."""
    tissue = simulate_tissue("layers", slides=2, cells=30, seed=0, spots=300, genes=60)
    base = PooledPCAEncoder.fit(tissue.slides, n_components=3)
    top = [slide.select(np.flatnonzero(slide.pos[:, 1] > np.median(slide.pos[:, 1]))) for slide in tissue.slides]
    guide = PooledPCAEncoder.fit(tissue.slides, n_components=3)
    whole = AlignedEncoder.fit(base, tissue.slides)
    inside = ConditionalAlignedEncoder.fit(base, guide, tissue.slides, clusters=4)
    true = inside.encode(tissue.slides[0])[np.flatnonzero(np.isin(tissue.slides[0].cells, top[0].cells))]
    errors = [(encoder.encode(top[0]) - true).square().mean() for encoder in (whole, inside)]
    assert errors[1] < 0.5 * errors[0]


def test_it_is_an_encoder_of_its_training_slides_alone(slides, base, guide) -> None:
    encoder = ConditionalAlignedEncoder.fit(base, guide, slides[:2], clusters=3)
    assert encoder.out_channels == 4
    assert set(base.genes) <= set(encoder.genes)
    copy = encoder_from_state(encoder.state())
    assert torch.equal(copy.encode(slides[2]), encoder.encode(slides[2]))
    deeper = dataclasses.replace(slides[2], counts=slides[2].counts * np.float32(2))
    torch.testing.assert_close(encoder.encode(deeper), encoder.encode(slides[2]), atol=1e-3, rtol=1e-3)
    with pytest.raises(ValueError, match="expected at least one training slide"):
        ConditionalAlignedEncoder.fit(base, guide, [], clusters=3)
    with pytest.raises(ValueError, match="expected at least one cluster, found 0"):
        ConditionalAlignedEncoder.fit(base, guide, slides[:2], clusters=0)


def test_the_sweep_begins_with_the_row_of_whole_slides(slides) -> None:
    rows = [row for row in comparison_rows() if row.name == CORAL]
    subject = slides_subject(slides, held_out=("slide_2",), rows=rows, seed=2)
    found = coral_sweep.PROBE.measure(subject)
    assert found.clusters == (1, 5, 10)
    for kind, train in (("fitted", slides), ("held_out", slides[:2])):
        encoder = fit_coral(train)
        x = np.concatenate([encoder.encode(slide).numpy() for slide in subject.slides])
        first = getattr(found, kind)[0]
        assert first["probe"] == pytest.approx(slide_probe(x, subject.labels, seed=2).accuracy, abs=0.02)
    assert found.held_out[1] != found.fitted[1]
    table = next(iter(coral_sweep.PROBE.tables(found).values()))
    assert table.loc[("K = 5", "held out"), "overlap@20"] == found.held_out[1]["overlap"]
