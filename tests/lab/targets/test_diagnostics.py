"""Each diagnostic on points whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyg_gears.data import Slide
from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.targets import (
    FAMILIES,
    Miniset,
    TargetsSubject,
    informativeness,
    invariance,
    lattice,
    recovery,
    stability,
    target_data,
    target_matrix,
    targets_subject,
)
from pyg_gears.lab.targets.families import SINGLE
from pyg_gears.targets import neighbor_count
from tests.pairwise_distance import pairwise_distance


def points(n: int, seed: int = 0) -> torch.Tensor:
    return gauge_fix(torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def subject(*minisets: torch.Tensor, families: tuple[str, ...] = ("Gram",), many: int = 0, **options) -> TargetsSubject:
    drawn = tuple(Miniset("s", pos) for pos in minisets)
    mixed = tuple(Miniset("s", points(50 + 3 * i, i)) for i in range(many))
    return TargetsSubject(drawn, mixed, families, **options)


@pytest.mark.parametrize("family", SINGLE)
def test_a_matrix_holds_what_its_family_says(family: str) -> None:
    pos = points(60)
    data, distance = target_data(pos, seed=1), pairwise_distance(pos)
    matrix, nearest = target_matrix(data, family), distance.argsort(dim=1)
    assert matrix.shape == (60, 60)
    if family == "Gram":
        torch.testing.assert_close(matrix, pos @ pos.T)
    elif family == "F4":
        said = matrix > 0
        torch.testing.assert_close(matrix[said], distance[said])
        assert torch.equal(matrix, matrix.T)
    elif family == "triplets":
        assert torch.equal(matrix.sum(dim=1), torch.zeros(60).double())
        assert (matrix.gather(1, nearest[:, 1:10]).sum(dim=1) > 0).all()
    else:
        assert (matrix.diagonal() == 0).all()
        assert (matrix.gather(1, nearest[:, 1:21]) != 0).double().mean() > 0.9
        if family in ("F2", "LLE"):
            torch.testing.assert_close(matrix.sum(dim=1), torch.ones(60).double())


def test_targets_are_invariant_and_a_frame_is_noticed(monkeypatch) -> None:
    found = invariance.measure(subject(points(60), points(75, 1)))
    assert set(found.target) == set(found.loss) == set(SINGLE)
    assert max(*found.target.values(), *found.loss.values()) < 1e-10
    moved = invariance.random_similarity(points(20), torch.Generator().manual_seed(0))
    ratio = pairwise_distance(moved) / pairwise_distance(points(20)).clamp(min=1e-9)
    apart = ~torch.eye(20, dtype=torch.bool)
    assert ratio[apart].std() / ratio[apart].mean() < 1e-6
    # A target that differs by a thousandth each time it is built does not pass.
    generator = torch.Generator().manual_seed(0)

    def unsteady(data, family):
        matrix = target_matrix(data, family)
        return matrix * (1 + 1e-3 * torch.rand(matrix.shape, generator=generator)) if family == "F1" else matrix

    monkeypatch.setattr(invariance, "target_matrix", unsteady)
    (table,) = invariance.PROBE.tables(invariance.measure(subject(points(60)))).values()
    assert table["verdict"].to_dict() == dict.fromkeys(SINGLE, "passed") | {"F1": "FAILED"}


def test_jitter_moves_few_neighbours_and_more_of_it_more() -> None:
    found = {one.disturbance: one for one in stability.measure(subject(points(140)))}
    overlap = [found[f"jitter {share:.0%} of the radius"].jaccard for share in (0.01, 0.02, 0.05)]
    assert 1 > overlap[0] > overlap[1] > overlap[2] > 0.8
    assert found["80% of the spots"].jaccard > found["60% of the spots"].jaccard
    assert all(one.spectrum > 0 for one in found.values())
    edges = stability.knn_edges(points(140))
    assert stability.jaccard_of(edges, edges) == 1
    assert edges.sum(dim=1).tolist() == [neighbor_count(140)] * 140


def test_spectrum_and_entropy_are_those_of_the_walk() -> None:
    pos = points(60)
    t = target_matrix(target_data(pos), "F2").numpy()
    value, entropy = stability.walk_of(pos)
    dense = np.sort(np.linalg.eigvals(t).real)[::-1][:20]
    assert np.allclose(value.numpy(), dense, atol=1e-8)
    assert entropy == pytest.approx(-float(np.sum(t[t > 0] * np.log(t[t > 0]))) / 60)


def test_gram_brings_coordinates_back_and_a_few_steps_do_not() -> None:
    made = recovery.measure(subject(points(50), steps=900, starts=2)).runs[0]
    assert max(made.disparity) < 1e-3
    assert min(made.recall) > 0.97
    assert made.collapsed == 0
    assert abs(made.layout - made.truth).max() < 0.1
    short = recovery.measure(subject(points(50), steps=3, starts=2)).runs[0]
    assert min(short.disparity) > 0.5
    again = recovery.measure(subject(points(50), steps=3, starts=2)).runs[0]
    assert again.disparity == short.disparity


def test_layouts_are_judged_up_to_a_similarity_and_collapse_is_seen() -> None:
    truth = points(60)
    assert recovery.judge(3 * truth * torch.tensor([-1.0, 1.0]).double() + 1, truth)[:3] == pytest.approx(
        (0, 1, False), abs=1e-12
    )
    disparity, recall, collapsed, _ = recovery.judge(truth * torch.tensor([1.0, 1e-4]).double(), truth)
    assert collapsed
    assert 0.2 < disparity < 0.8
    assert recall < 0.7
    lost = recovery.judge(truth * math.nan, truth)
    assert math.isnan(lost[0])
    assert lost[1:3] == (0, True)


def record(**figures: tuple[float, float]) -> recovery.RecoveryRecord:
    names = {"f24": "F2+F4", "f2": "F2", "f1": "F1", "lle": "LLE", "fixed": "F2+F4"}
    runs = [
        recovery.Recovered("s", 384, 20, key != "fixed", names[key], (d,), (r,), 0, np.zeros((3, 2)), np.zeros((3, 2)))
        for key, (d, r) in figures.items()
    ]
    return recovery.RecoveryRecord(tuple(runs), 1, 2000)


def test_verdicts_follow_the_published_claims() -> None:
    good = record(f24=(0.2, 0.9), f2=(0.3, 0.8), f1=(0.5, 0.7), lle=(0.6, 0.5), fixed=(0.5, 0.7))
    assert set(recovery.verdicts(good).values()) == {"passed"}
    bad = record(f24=(0.4, 0.6), f2=(0.3, 0.8), f1=(0.5, 0.7), lle=(0.6, 0.5), fixed=(0.5, 0.7))
    verdicts = recovery.verdicts(bad)
    assert [verdicts[name] for name in verdicts] == ["FAILED", "FAILED", "passed", "FAILED", "FAILED", "FAILED"]
    part = recovery.verdicts(record(f2=(0.3, 0.8)))
    assert set(part.values()) == {"not measured"}
    table = recovery.published_rows(good)
    assert table.loc["F2", ["place", "published place"]].tolist() == [2, 2]


def test_a_fixed_number_of_neighbours_is_recovered_beside_the_adaptive_one() -> None:
    runs = recovery.measure(subject(points(140), families=("F2+F4",), steps=1, starts=1)).runs
    assert [(one.k, one.adaptive) for one in runs] == [(21, True), (20, False)]
    assert len(recovery.measure(subject(points(100), families=("F2+F4",), steps=1, starts=1)).runs) == 1


def test_regression_finds_what_follows_from_size_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 3))
    follows = np.stack([features[:, 0], 2 * features[:, 1] ** 2], axis=1)
    assert informativeness.explained_variance(features, follows) > 0.95
    assert informativeness.explained_variance(features, rng.normal(size=(80, 4))) < 0.2
    assert informativeness.explained_variance(features, np.ones((80, 2))) == 0
    with pytest.raises(NotMeasurable, match="expected at least 20 minisets of mixed sizes, found 3; draw more"):
        informativeness.measure(subject(points(60), many=3))
    found = informativeness.measure(subject(points(60), many=20))
    assert set(found.families) == set(SINGLE)
    assert all(one.diversity > 0 for one in found.families.values())


def test_boundary_and_density_are_seen() -> None:
    n, density, boundary = informativeness.plain_features(points(200))
    assert n == pytest.approx(math.log(200))
    assert 0.05 < boundary < 0.5
    line = torch.stack([torch.arange(200.0), 0.01 * torch.rand(200)], dim=1).double()
    assert informativeness.plain_features(gauge_fix(line))[1] > density


def test_lattices_have_one_spacing_and_ties() -> None:
    for hexagonal, degree in ((False, 4), (True, 6)):
        pos = lattice.lattice_points(150, hexagonal=hexagonal)
        distance = pairwise_distance(pos)
        assert len(pos.unique(dim=0)) == 150
        assert ((distance - 1).abs() < 1e-9).sum(dim=1).max() == degree
        assert distance[distance > 0].min() == pytest.approx(1)
        assert lattice.tie_share(pos) > 0.1
    disc = lattice.random_disc(500, torch.Generator().manual_seed(0))
    assert lattice.tie_share(disc) == 0
    assert disc.norm(dim=1).max() <= 1
    assert disc.norm(dim=1).square().mean() == pytest.approx(0.5, abs=0.05)
    found = lattice.measure(subject(points(60), points(90), steps=2, starts=1))
    assert [one.name for one in found] == ["tissue", "square", "hexagonal", "random"]
    assert {one.size for one in found} == {60}


def test_minisets_are_drawn_by_name_and_size_and_too_small_slides_are_refused() -> None:
    rng = np.random.default_rng(0)
    slide = Slide("a", rng.poisson(1.0, (120, 4)), tuple("wxyz"), tuple(map(str, range(120))), rng.random((120, 2)))
    drawn = targets_subject([slide], [50, 70], many=4)
    assert [one.size for one in drawn.minisets] == [50, 70]
    assert torch.equal(targets_subject([slide], [70], many=0).minisets[0].pos, drawn.minisets[1].pos)
    assert all(one.size <= 90 for one in drawn.many)
    assert set(drawn.families) == set(FAMILIES)
    with pytest.raises(InputError, match="a: expected at least 256 spots, found 120; leave the larger sizes out"):
        targets_subject([slide], [50, 256])
    with pytest.raises(InputError, match=r"expected families among F2\+F4, .*, found F9; name some of these"):
        targets_subject([slide], [50], families=["F9"])


def test_no_family_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(InputError, match=r"expected families among .*, found none; name some of these"):
        targets_subject((), [48], families=())
