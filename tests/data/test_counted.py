from __future__ import annotations

import numpy as np

from pyg_gears.data import Slide
from pyg_gears.data.counted import counted


def test_only_spots_with_a_count_stay() -> None:
    counts = np.array([[0, 0], [1, 0], [0, 0], [0, 3]], dtype=np.float32)
    slide = Slide("s", counts, ("g", "h"), tuple("abcd"), np.arange(8.0).reshape(4, 2))
    found = counted(slide)
    assert found.kept.tolist() == [False, True, False, True]
    assert found.slide.cells == ("b", "d")
    np.testing.assert_array_equal(found.slide.pos, slide.pos[[1, 3]])
    # On one of the genes alone another spot is empty.
    assert counted(slide.subset_genes(["h"])).slide.cells == ("d",)


def test_a_slide_without_empty_spots_is_itself() -> None:
    slide = Slide("s", np.ones((3, 2), dtype=np.float32), ("g", "h"), tuple("abc"))
    assert counted(slide).slide is slide
