from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from pyg_gears.lab.probes.row_statistics import edge_rows, row_best, row_correlation, row_ranks, row_std


@pytest.fixture
def table() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of 0, 1, 2, 7 and 12 edges, two heads, many ties."""
    generator = torch.Generator().manual_seed(0)
    target = torch.tensor([1, 2, 2] + [3] * 7 + [4] * 12)
    a, b = torch.randint(0, 5, (2, target.numel(), 2), generator=generator).float() / 3
    return target, a, b


def test_ranks_correlations_and_deviations_row_by_row(table) -> None:
    target, a, b = table
    (rows_a, mask), (rows_b, _) = edge_rows(a, target, 5), edge_rows(b, target, 5)
    ranks = row_ranks(rows_a, mask)
    spearman = row_correlation(ranks, row_ranks(rows_b, mask), mask)
    pearson, std = row_correlation(rows_a, rows_b, mask), row_std(rows_a, mask)
    for i in range(5):
        for h in range(2):
            x, y = a[target == i, h].double().numpy(), b[target == i, h].double().numpy()
            np.testing.assert_allclose(ranks[i, : len(x), h], stats.rankdata(x))
            if len(set(x)) < 2 or len(set(y)) < 2:
                assert spearman[i, h].isnan()
                assert pearson[i, h].isnan()
            else:
                assert float(spearman[i, h]) == pytest.approx(stats.spearmanr(x, y).statistic)
                assert float(pearson[i, h]) == pytest.approx(np.corrcoef(x, y)[0, 1])
            if len(x):
                assert float(std[i, h]) == pytest.approx(x.std())
    assert not ranks[~mask].any()
    assert spearman[4].isfinite().all()


def test_a_constant_that_rounds_is_still_constant() -> None:
    target = torch.zeros(7, dtype=torch.long)
    rows, mask = edge_rows(torch.full((7,), 0.1), target, 1)
    other, _ = edge_rows(torch.arange(7.0), target, 1)
    assert row_correlation(rows, other, mask).isnan().all()


def test_best_are_the_first_of_equals(table) -> None:
    target, a, _ = table
    rows, mask = edge_rows(a, target, 5)
    best = row_best(rows, mask, 4)
    for i in range(5):
        for h in range(2):
            x = a[target == i, h].tolist()
            expected = sorted(range(len(x)), key=lambda j: (-x[j], j))[:4]
            assert best[i, :, h].nonzero().flatten().tolist() == sorted(expected)
