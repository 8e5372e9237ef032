from __future__ import annotations

import pytest

from pyg_gears.configuration import parse_assignments
from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patch_size=4", "expected patch_size at least 8, found 4"),
        ("global_share=-0.1", "expected global_share at least 0.*, found -0.1"),
        ("samples=0", "expected samples at least 1, found 0"),
        ("fill=2.0", "expected fill at most 1.*, found 2.0"),
        ("jaccard=1.0", "expected jaccard below 1.*, found 1.0"),
        ("noise=abc", "expected noise to be a valid number, found 'abc'"),
        ("noise=0.1", "expected at least 2 samples with a noise of 0.1, found 1; raise samples"),
        ("shared_neighbors=-1", "expected shared_neighbors at least 0, found -1"),
        ("scales=none", "expected scales among reconciled, model, found 'none'"),
        ("huber=0", "expected huber above 0, found 0"),
        ("anchor_fade=1.5", "expected anchor_fade at most 1, found 1.5"),
        ("spread.limit=-1.0", "expected spread.limit at least 0, found -1.0"),
        ("spread.sharpness=-1.0", "expected spread.sharpness at least 0, found -1.0"),
        ("metric=euclidean", "expected a field of .*, found 'metric'"),
        ("candidates=3", "expected a field of .*, found 'candidates'"),
        ("whole_below=10", "expected a field of .*, found 'whole_below'"),
    ],
)
def test_bad_values_are_named_in_one_sentence(text, message):
    with pytest.raises(InputError, match=message) as caught:
        LayoutSettings().change(parse_assignments([text]))
    assert "\n" not in str(caught.value)


def test_the_overlap_follows_small_patches_however_they_are_set():
    assert LayoutSettings().shared_cells == 32
    assert LayoutSettings(patch_size=1024).shared_cells == 32
    assert LayoutSettings(patch_size=40).shared_cells == 10
    assert LayoutSettings().change(parse_assignments(["patch_size=40"])) == LayoutSettings(patch_size=40)
    assert LayoutSettings(overlap=5).shared_cells == 5


def test_noise_and_samples_may_be_set_together():
    assert LayoutSettings().change({"noise": 0.1, "samples": 3}).noise == 0.1


def test_only_one_rule_for_pairs_can_be_set():
    with pytest.raises(
        InputError, match="expected max_dispersion or spread, found max_dispersion=2 beside spread; leave"
    ):
        LayoutSettings().change({"max_dispersion": 2.0, "spread": {}})


def test_the_published_settings():
    """Spec 10, section 4."""
    found = LayoutSettings.published()
    assert (found.patch_size, found.min_cover, found.global_share, found.overlap) == (192, 6, 0, 30)
    assert (found.locality_neighbors, found.jaccard, found.shared_neighbors) == (40, 0.1, 5)
    assert (found.neighbors, found.landmarks, found.scales, found.min_support) == (15, 2, "model", 2)
    assert (found.spread.limit, found.spread.sharpness, found.huber, found.fill) == (0.3, 10, 0.1, 0)
    # lambda 0.1 on the mean of squared coordinates, where the weights of all pairs sum to 1, is an anchor of 0.05.
    assert found.anchor == 0.05
    assert found.anchor_fade == pytest.approx(0.995 ** (1000 / found.iterations), abs=0.01)
    assert LayoutSettings.published().change({"patch_size": 2000}).huber == 0.1
