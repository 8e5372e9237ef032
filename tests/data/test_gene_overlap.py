from __future__ import annotations

import warnings

import numpy as np
import pytest

from pyg_gears.data import Slide
from pyg_gears.data.gene_overlap import check_overlap, naming_hint
from pyg_gears.errors import InputError


def on_genes(name: str, genes: list[str]) -> Slide:
    return Slide(name, np.ones((3, len(genes)), dtype=np.float32), tuple(genes), ("a", "b", "c"))


def symbols(first: int, last: int) -> list[str]:
    return [f"Gene{i}" for i in range(first, last)]


def ensembl(first: int, last: int, suffix: str = "") -> list[str]:
    return [f"ENSG{i:011d}{suffix}" for i in range(first, last)]


def test_enough_shared_genes_are_no_word_worth() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_overlap([on_genes("a", symbols(0, 400)), on_genes("b", symbols(100, 900))])
        check_overlap([on_genes("a", symbols(0, 200))])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (symbols(201, 800), r"share 199 genes, 49\.8% of the smallest panel \(a: 400 genes\); the others are dropped"),
        (symbols(390, 1000), r"share 10 genes, 2\.5% of the smallest panel"),
    ],
)
def test_few_shared_genes_are_said_with_number_and_share(other: list[str], words: str) -> None:
    with pytest.warns(UserWarning, match=words):
        check_overlap([on_genes("a", symbols(0, 400)), on_genes("b", other)])


def test_less_than_a_fifth_of_the_smaller_panel_is_said_too() -> None:
    with pytest.warns(UserWarning, match=r"share 300 genes, 15\.0% of the smallest panel \(a: 2000 genes\)"):
        check_overlap([on_genes("a", symbols(0, 2000)), on_genes("b", symbols(1700, 5000))])


def test_a_panel_that_all_files_have_is_called_small_and_not_badly_named() -> None:
    with pytest.warns(UserWarning, match=r"a has 120 genes, of which all are used; panels of fewer than 200 genes"):
        check_overlap([on_genes("a", symbols(0, 120)), on_genes("b", symbols(0, 120))])


def test_hardly_any_shared_genes_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected at least 10 genes shared by all 2 files, found 9 of 40 \(a: Gene0"):
        check_overlap([on_genes("a", symbols(0, 40)), on_genes("b", symbols(31, 90))])
    with pytest.raises(InputError, match="a: expected at least 10 genes, found 9; keep more genes"):
        check_overlap([on_genes("a", symbols(0, 9))])


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (ensembl(0, 40, ".12"), ensembl(10, 60), "30 would be shared without the version suffix of the Ensembl ids"),
        (symbols(0, 40), [g.upper() for g in symbols(10, 60)], "30 would be shared if case did not count"),
        ([f"GRCh38_{g}" for g in symbols(0, 40)], symbols(10, 60), "30 would be shared without the genome's prefix"),
        ([f"HLA-{i}" for i in range(40)], [f"HLA.{i}" for i in range(10, 60)], "30 would be shared if dots, dashes"),
        (
            [f"mm10___HLA-a{i}" for i in range(40)],
            [f"HLA.A{i}" for i in range(10, 60)],
            "30 would be shared if case, punctuation, versions and prefixes",
        ),
        (ensembl(0, 40), symbols(0, 40), "a names genes by Ensembl id and b by symbol, .*with gene_column"),
    ],
)
def test_the_refusal_names_the_renaming_that_helps(one: list[str], other: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_overlap([on_genes("a", one), on_genes("b", other)])


def test_a_renaming_that_helps_little_is_not_named() -> None:
    one, other = symbols(0, 40), [*symbols(0, 25), *(g.upper() for g in symbols(25, 40))]
    assert naming_hint([("a", one), ("b", other)], 25) == ""
    assert naming_hint([("a", symbols(0, 40)), ("b", symbols(50, 90))], 0) == ""
