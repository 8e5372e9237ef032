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
