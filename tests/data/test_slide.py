from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix

from pyg_gears.data import Slide, check_cells, check_slide, shared_genes
from pyg_gears.errors import InputError


def make(n: int = 40, g: int = 5, **changes: object) -> Slide:
    rng = np.random.default_rng(0)
    fields = {
        "name": "A",
        "counts": csr_array(rng.poisson(2.0, (n, g)).astype(np.float32)),
        "genes": tuple(f"g{i}" for i in range(g)),
        "cells": tuple(f"c{i}" for i in range(n)),
        "pos": rng.normal(size=(n, 2)),
    }
    return Slide(**{**fields, **changes})


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int64, np.float64, bool])
@pytest.mark.parametrize("layout", [np.asarray, csr_matrix, csc_matrix, coo_array])
def test_counts_of_any_type_become_canonical_float32_rows(dtype: type, layout: type) -> None:
    values = np.random.default_rng(1).poisson(1.0, (40, 5)).astype(dtype)
    slide = make(counts=csr_array(layout(values)))
    assert isinstance(slide.counts, csr_array)
    assert slide.counts.dtype == np.float32
    assert slide.counts.has_canonical_format
    np.testing.assert_array_equal(slide.counts.toarray(), values.astype(np.float32))


def test_the_callers_matrix_and_positions_are_not_touched() -> None:
    unsorted = csr_array((np.ones(3), np.array([2, 0, 1]), np.array([0, 2, 3] + [3] * 38)), shape=(40, 5))
    pos = np.zeros((40, 2))
    slide = make(counts=unsorted, pos=pos)
    np.testing.assert_array_equal(unsorted.indices, [2, 0, 1])
    pos[0] = 5.0
    assert slide.pos is not None
    assert slide.pos[0, 0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        slide.pos[0] = 1.0


@pytest.mark.parametrize("form", [np.ndarray.tolist, pd.DataFrame, torch.from_numpy])
def test_counts_may_be_any_table_of_numbers(form) -> None:
    values = np.random.default_rng(1).poisson(1.0, (40, 5))
    np.testing.assert_array_equal(make(counts=form(values)).counts.toarray(), values)


def test_a_matrix_is_held_once_where_it_is_handed_over() -> None:
    given = csr_array(np.random.default_rng(1).poisson(1.0, (40, 5)).astype(np.float32))
    assert not np.shares_memory(make(counts=given).counts.data, given.data)
    handed_over = make(counts=given, copy=False)
    assert np.shares_memory(handed_over.counts.data, given.data)
    # What is cut out of a slide is its own, and checked as ever.
    assert not np.shares_memory(handed_over.subset_genes(("g3", "g0")).counts.data, given.data)
    unsorted = csr_array((np.ones(3), np.array([2, 0, 1]), np.array([0, 2, 3] + [3] * 38)), shape=(40, 5))
    assert make(counts=unsorted, copy=False).counts.has_canonical_format


def test_subset_and_select_follow_names() -> None:
    slide = make()
    part = slide.subset_genes(("g3", "g0")).select([7, 2])
    assert part.genes == ("g3", "g0")
    assert part.cells == ("c7", "c2")
    np.testing.assert_array_equal(part.counts.toarray(), slide.counts.toarray()[[7, 2]][:, [3, 0]])
    np.testing.assert_array_equal(part.pos, slide.pos[[7, 2]])
    mask = np.arange(40) % 2 == 0
    assert len(slide.select(mask)) == 20
    assert make(pos=None).select(mask).pos is None


def test_shared_genes_keep_the_order_of_the_first() -> None:
    first = make(genes=("e", "d", "c", "b", "a"))
    second = make(genes=("a", "x", "d", "e", "y"))
    assert shared_genes([first, second]) == ("e", "d", "a")
    assert shared_genes([second, first]) == ("a", "d", "e")
    assert shared_genes([first]) == first.genes


BAD = [
    ({"counts": csr_array(np.full((40, 5), np.nan))}, "found NaN or infinite values"),
    ({"counts": csr_array(np.full((40, 5), np.inf))}, "found NaN or infinite values"),
    ({"counts": csr_array(np.full((40, 5), -0.5))}, "non-negative counts, found -0.5"),
    ({"counts": csr_array(np.full((40, 4), 1.0))}, r"shape \(40, 5\).*found \(40, 4\)"),
    ({"counts": csr_array(np.full((40, 5), 1j))}, "numeric table of counts, found complex128"),
    ({"counts": None}, r"numeric table of counts, found object of shape \(\)"),
    ({"counts": [[1, 2], [3]]}, r"numeric table of counts, found object of shape \(0,\)"),
    ({"cells": ("c",) * 40}, r"unique spot or cell names, found 1 that repeat.* with adata.obs_names_make_unique\(\)"),
    (
        {"genes": ("a", "b", "a", "b", "c")},
        r"unique gene names, found 2 that repeat, for instance \['a'\]; .*var_names_make_unique\(\), or .*with gene_column",
    ),
    ({"genes": None}, "list of the names of genes, found NoneType; give one name each"),
    ({"cells": "forty"}, "list of the names of spots or cells, found str"),
    ({"name": Path("a")}, r"found PosixPath\('a'\); give another"),
    ({"pos": np.zeros((40, 3))}, "two-dimensional positions.*found 3 columns"),
    ({"pos": np.zeros(40)}, r"two-dimensional positions.*found shape \(40,\)"),
    ({"pos": np.zeros((39, 2))}, "expected 40 positions, found 39"),
    ({"pos": np.array([["a", "b"]] * 40)}, "numeric positions, found <U1; convert them"),
    ({"pos": np.full((40, 2), np.nan)}, "finite positions, found NaN"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_slides_are_refused_in_one_sentence(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make(**changes)
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)  # the remedy


def test_missing_genes_are_counted() -> None:
    with pytest.raises(InputError, match=r"expected all 3 genes, found 2 missing, for instance \['x'\]"):
        make().subset_genes(("g0", "x", "y"))


def test_too_little_to_learn_from() -> None:
    check_slide(make(n=30))
    for slide, message in [
        (make(n=29), "at least 30 spots, found 29"),
        (make(g=1), "at least 2 genes, found 1"),
        (make(pos=None), "expected positions, found none"),
        (make(pos=np.ones((40, 2))), "spots at different places, found all at one"),
        (make(counts=csr_array(np.zeros((40, 5)))), "expected counts, found only zeros"),
        (make(counts=make().counts.log1p()), "expected raw counts, found log-normalised values; use counts"),
    ]:
        with pytest.raises(InputError, match=message):
            check_slide(slide)
    check_cells(make(n=3, pos=None))
    for cells, message in [(make(n=2), "at least 3 cells, found 2"), (make(g=1), "at least 2 genes, found 1")]:
        with pytest.raises(InputError, match=message):
            check_cells(cells)


def test_no_shared_genes_shows_the_names() -> None:
    other = make(name="B", genes=tuple(f"ENSG{i}" for i in range(5)))
    with pytest.raises(InputError, match=r"shared by all 2 files, found 0 .A: g0, g1, ...; B: ENSG0"):
        shared_genes([make(), other])
    with pytest.raises(InputError, match="at least 2 genes shared by all 2 files, found 1"):
        shared_genes([make(), make(genes=("g0", "x", "y", "z", "w"))])
    with pytest.raises(InputError, match="at least one slide, found none"):
        shared_genes([])


def test_the_same_genes_in_the_same_order_are_the_slide_itself() -> None:
    slide = make()
    assert slide.subset_genes(list(slide.genes)) is slide
    turned = slide.subset_genes(slide.genes[::-1])
    np.testing.assert_array_equal(turned.counts.toarray(), slide.counts.toarray()[:, ::-1])
