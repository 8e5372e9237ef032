from __future__ import annotations

import pytest

from pyg_gears.errors import InputError
from pyg_gears.layout import InferenceSettings


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"patch_size": 4}, "expected patch_size at least 8, found 4"),
        ({"patch_size": 40, "overlap": 32}, "expected overlap from 0 to 20, found 32"),
        ({"global_share": -0.1}, "expected global_share from 0 to 1"),
        ({"samples": 0}, "expected samples at least 1"),
        ({"fill": 2.0}, "expected fill from 0 to 1, found 2.0"),
        ({"metric": "manhattan"}, "expected metric 'cosine' or 'euclidean', found 'manhattan'"),
    ],
)
def test_bad_values_are_named(wrong, text):
    with pytest.raises(InputError, match=text):
        InferenceSettings(**wrong)
