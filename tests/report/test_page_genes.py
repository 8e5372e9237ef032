from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import Slide
from pyg_gears.encoders import normalize_expression
from pyg_gears.errors import InputError
from pyg_gears.report.page_genes import check_genes, page_genes


def cells_of(n: int = 400, genes: int = 60) -> Slide:
    generator = np.random.default_rng(0)
    counts = generator.poisson(np.linspace(0.1, 4, genes), size=(n, genes)).astype(np.float32)
    return Slide("cells", csr_array(counts), tuple(f"g{i}" for i in range(genes)), tuple(f"c{i}" for i in range(n)))


def test_all_genes_where_there_is_room_in_order_of_variance() -> None:
    cells = cells_of()
    found = page_genes(cells, np.arange(len(cells)), (), 10**7)
    expression = normalize_expression(cells).toarray().astype(np.float64)
    order = np.argsort(-expression.var(axis=0), kind="stable")
    assert found["names"] == [cells.genes[i] for i in order]
    value = found["values"][0]
    raw = np.frombuffer(zlib.decompress(base64.b64decode(value["data"])), dtype="u1")
    back = value["low"] + raw * (value["high"] - value["low"]) / value["steps"]
    np.testing.assert_allclose(back, expression[:, order[0]], atol=(value["high"] - value["low"]) / 119)


def test_a_budget_is_kept_and_the_rest_is_named() -> None:
    cells = cells_of()
    shown = np.arange(0, len(cells), 2)
    found = page_genes(cells, shown, (), 4000)
    assert len(json.dumps({key: found[key] for key in ("names", "values")})) < 4400
    assert 3 < len(found["names"]) < 40
    others = json.loads(zlib.decompress(base64.b64decode(found["others"])))
    assert sorted([*found["names"], *others]) == sorted(cells.genes)
    assert found["total"] == 60


def test_genes_asked_for_come_first_and_are_kept_beyond_the_budget() -> None:
    cells = cells_of()
    found = page_genes(cells, np.arange(len(cells)), ("g0", "g1"), 10)
    assert found["names"] == ["g0", "g1"]


def test_an_unknown_gene_is_refused() -> None:
    check_genes(["CD3E"], ["CD3E", "CD4"])
    with pytest.raises(
        InputError, match=r"expected genes of the layout in genes, found 'CD3' \(did you mean 'CD3E'\?\); use"
    ):
        check_genes(["CD4", "CD3"], ["CD3E", "CD4"])
