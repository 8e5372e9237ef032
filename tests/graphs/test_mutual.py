from __future__ import annotations

import torch

from pyg_gears.graphs import knn, mutual


def test_equals_the_definition() -> None:
    index = knn(torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), 6).index
    expected = [[i in index[j].tolist() for j in row.tolist()] for i, row in enumerate(index)]
    assert mutual(index).tolist() == expected
    assert 0 < mutual(index).float().mean() < 1
