from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from pyg_gears.data import Slide, read_slide
from pyg_gears.data.io.given import given_cells, given_slides
from pyg_gears.errors import InputError

COUNTS = np.random.default_rng(0).poisson(2.0, (40, 12)).astype(np.float32)
PLACES = np.random.default_rng(1).random((40, 2))


def adata(x: object = COUNTS) -> AnnData:
    return AnnData(x, obsm={"spatial": PLACES.copy()})


@pytest.fixture
def file(tmp_path) -> Path:
    adata().write_h5ad(tmp_path / "section.h5ad")
    return tmp_path / "section.h5ad"


def test_a_list_may_mix_what_slides_come_as(file) -> None:
    other = read_slide(file)
    slides = given_slides([str(file), adata(), Slide("own", other.counts, other.genes, other.cells, other.pos)])
    assert [slide.name for slide in slides] == ["section", "slide_1", "own"]
    for slide in slides:
        np.testing.assert_array_equal(slide.counts.toarray(), COUNTS)
        np.testing.assert_array_equal(slide.pos, PLACES)


def test_a_mapping_names_its_slides(file) -> None:
    slides = given_slides({"first": adata(), "second": file, "third": read_slide(file)})
    assert [slide.name for slide in slides] == ["first", "second", "third"]
    assert [slide.name for slide in given_slides(iter([file]))] == ["section"]


FORMATS = {
    "half": lambda x: x.astype(np.float16),
    "integers": lambda x: x.astype(np.int16),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr array": sparse.csr_array,
    "csc array": sparse.csc_array,
}


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_every_form_of_counts_gives_the_same_and_is_left_as_it_was(make) -> None:
    given = adata(make(COUNTS))
    before = given.copy()
    for found in (given_slides([given])[0], given_cells(given)):
        np.testing.assert_array_equal(found.counts.toarray(), COUNTS)
    assert type(given.X) is type(before.X)
    assert given.X.dtype == before.X.dtype
    dense = (a.X.toarray() if sparse.issparse(a.X) else a.X for a in (given, before))
    np.testing.assert_array_equal(*dense)
    np.testing.assert_array_equal(given.obsm["spatial"], before.obsm["spatial"])


def test_sparse_counts_of_half_precision() -> None:
    given = adata()
    half = sparse.csr_matrix(COUNTS)
    half.data = half.data.astype(np.float16)
    given.X = half
    np.testing.assert_array_equal(given_cells(given).counts.toarray(), COUNTS)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_a_backed_anndata_and_a_view_of_it_are_read(make, tmp_path) -> None:
    adata(make(COUNTS)).write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_array_equal(given_slides([backed])[0].counts.toarray(), COUNTS)
    np.testing.assert_array_equal(given_cells(backed[5:38]).counts.toarray(), COUNTS[5:38])
    assert backed.isbacked
    backed.file.close()


def test_a_view_is_read_as_what_it_shows() -> None:
    found = given_slides([adata()[::-1, 2:]])[0]
    np.testing.assert_array_equal(found.counts.toarray(), COUNTS[::-1, 2:])
    np.testing.assert_array_equal(found.pos, PLACES[::-1])


TWICE = adata()


@pytest.mark.parametrize(
    ("slides", "words"),
    [
        (adata(), r"expected a list of slides, found one AnnData alone; put it into a list"),
        ("a.h5ad", r"found one str alone"),
        (Path("a.h5ad"), r"found one PosixPath alone"),
        (COUNTS, r"expected a list of slides, found ndarray of shape \(40, 12\)"),
        (sparse.csr_array(COUNTS), r"found csr_array of shape \(40, 12\)"),
        (pd.DataFrame(COUNTS), r"found DataFrame of shape \(40, 12\)"),
        (None, r"found nothing \(None\)"),
        (3, r"found int"),
        (b"a.h5ad", r"found bytes"),
        ([], "expected at least one slide, found none"),
        ({}, "expected at least one slide, found none"),
        ([TWICE, TWICE], "expected every slide once, found the same one in places 0 and 1"),
        ({"a": TWICE, "b": TWICE}, "expected every slide once"),
        (["a.h5ad", Path("./a.h5ad")], "expected every slide once"),
        (["a.h5ad", "b=a.h5ad"], "expected every slide once"),
        ([TWICE, COUNTS], r"expected slides as AnnData, paths or Slide, found ndarray of shape \(40, 12\) in place 1"),
        ([None], r"found nothing \(None\) in place 0"),
        ([AnnData(COUNTS)], r"slide_0: expected positions"),
        ({"mine": AnnData(COUNTS)}, r"mine: expected positions"),
        ([Slide("s", COUNTS, tuple("abcdefghijkl"), tuple(map(str, range(40))))], "s: expected positions, found none"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(slides: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        given_slides(slides)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([TWICE], "expected cells as an AnnData, a path or a Slide, found list"),
        (COUNTS, r"found ndarray of shape \(40, 12\)"),
        (None, r"found nothing \(None\)"),
        ("absent.h5ad", "expected an .h5ad file at absent.h5ad, found nothing"),
        (Slide("c", np.ones((2, 3), np.float32), tuple("abc"), tuple("de")), "c: expected at least 3 cells, found 2"),
    ],
)
def test_cells_of_another_kind_are_refused(cells: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        given_cells(cells)
