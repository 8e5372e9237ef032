from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.data import simulate_tissue
from pyg_gears.lab.encoders import composition_sweep
from pyg_gears.lab.encoders.comparison_rows import fit_pca
from pyg_gears.lab.encoders.composition import composition_test, soft_membership
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import slides_subject


def test_statistics_are_their_sums_entry_by_entry() -> None:
    generator = np.random.default_rng(0)
    labels, clusters = generator.integers(0, 3, 90), generator.integers(0, 4, 90)
    clusters[labels == 2] = np.minimum(clusters[labels == 2], 1)
    found = composition_test(clusters, labels)
    n, chi2 = 90.0, 0.0
    for s in range(3):
        for k in range(4):
            count = sum(1 for a, b in zip(labels, clusters, strict=True) if (a, b) == (s, k))
            assert found.counts[s, k] == count
            expected = float((labels == s).sum()) * float((clusters == k).sum()) / n
            chi2 += (count - expected) ** 2 / expected
    assert found.chi2 == pytest.approx(chi2, rel=1e-12)
    assert found.degrees == 6
    assert found.cramers_v == pytest.approx((chi2 / (n * 2)) ** 0.5, rel=1e-12)
    assert found.cramers_v_chance == pytest.approx((6 / (n * 2)) ** 0.5, rel=1e-12)
    # The upper tail for an even number of degrees is a sum: exp(-x/2) sum_j (x/2)^j / j!.
    half = chi2 / 2
    assert found.p == pytest.approx(np.exp(-half) * (1 + half + half**2 / 2), rel=1e-9)
    pairs = []
    for s in range(3):
        for t in range(3):
            distance = (
                sum(abs((clusters[labels == s] == k).mean() - (clusters[labels == t] == k).mean()) for k in range(4))
                / 2
            )
            assert found.tvd[s, t] == pytest.approx(distance, abs=1e-12)
            pairs += [distance] if s != t else []
    assert found.mean_tvd == pytest.approx(np.mean(pairs))


def test_slides_without_a_cluster_in_common_are_at_one_and_alike_ones_at_chance() -> None:
    labels = np.repeat([5, 7, 9], 400)
    apart = composition_test(labels, labels)
    assert apart.cramers_v == pytest.approx(1.0)
    assert apart.mean_tvd == 1.0
    alike = composition_test(np.random.default_rng(1).integers(0, 6, 1200), labels)
    assert alike.p > 0.01
    assert alike.cramers_v < 1.6 * alike.cramers_v_chance
    assert alike.mean_tvd == pytest.approx(alike.tvd_chance, abs=0.03)
    assert alike.tvd_chance > 0


def test_soft_memberships_are_those_of_equal_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    centers = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    squares = [[sum((a - b) ** 2 for a, b in zip(p, c, strict=True)) for c in centers.tolist()] for p in x.tolist()]
    width = sum(min(row) for row in squares) / (20 * 3)
    for found, row in zip(soft_membership(x, centers).tolist(), squares, strict=True):
        weight = [np.exp(-one / (2 * width)) for one in row]
        assert found == pytest.approx([one / sum(weight) for one in weight], rel=1e-9)


def test_bad_input() -> None:
    for clusters, labels, text in (
        (np.zeros(9), np.arange(9), r"found 9 labels of 9 slide\(s\) and 9 of 1 cluster"),
        (np.arange(9), np.zeros(9), r"found 9 labels of 1 slide\(s\)"),
        (np.arange(8), np.arange(9), "found 9 labels of 9 slide"),
    ):
        with pytest.raises(ValueError, match=text):
            composition_test(clusters, labels)


def test_held_out_clusters_are_those_of_the_other_slides() -> None:
    tissue = simulate_tissue("layers", slides=3, cells=30, seed=0, spots=90, genes=60)
    subject = slides_subject(tissue.slides, held_out=("slide_2",), rows=(), seed=3)
    found = composition_sweep.PROBE.measure(subject)
    assert found.clusters == (8,)

    from sklearn.cluster import KMeans

    encoder = fit_pca(subject.slides[:2], 20, "pca")
    xs = [encoder.encode(slide).double().numpy() for slide in subject.slides]
    centers = KMeans(8, n_init=4, random_state=3).fit(np.concatenate(xs[:2])).cluster_centers_
    distance = np.square(np.concatenate(xs)[:, None] - centers[None]).sum(axis=2)
    test = composition_test(distance.argmin(axis=1), subject.labels, seed=3)
    (held_out,) = found.held_out
    assert held_out["cramers_v"] == pytest.approx(test.cramers_v)
    assert held_out["tvd"] == pytest.approx(test.mean_tvd)
    hot = (distance.argmin(axis=1)[:, None] == np.arange(8)).astype(float)
    assert held_out["one_hot"] == pytest.approx(slide_probe(hot, subject.labels, seed=3).accuracy)
    assert found.fitted[0] != held_out
    assert found.tests[0].cramers_v == found.fitted[0]["cramers_v"]
    tables = composition_sweep.PROBE.tables(found)
    assert next(iter(tables.values())).loc[("K = 8", "held out"), "one-hot probe"] == held_out["one_hot"]
