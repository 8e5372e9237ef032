from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pyg_gears.nn import pair_mlp
from pyg_gears.nn.edge_embedding import edge_embedding
from pyg_gears.nn.edge_pairs import edge_pairs
from pyg_gears.nn.row_norm import row_norm

N, C, D, H = 5, 3, 4, 2
SYMMETRIC = torch.tensor([[0, 1, 1, 2, 3, 0, 2, 4, 1], [1, 0, 2, 1, 0, 3, 2, 1, 4]])
DIRECTED = torch.tensor([[0, 1, 2, 3, 2], [1, 2, 0, 1, 2]])


def drawn() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((N, C), (N, D), (N, D), (D, 2 * C + 1), (H, D))
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


@pytest.mark.parametrize("edge_index", [SYMMETRIC, DIRECTED, SYMMETRIC[:, :0]])
def test_the_embedding_and_its_gradient(edge_index: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pair_mlp.CHUNK, "cpu", 3)  # two chunks, the last one short
    pairs = edge_pairs(edge_index, N)
    x, t, s, weight, project = tensors = drawn()
    embedded, projected = edge_embedding(*tensors, pairs)
    source, target = edge_index[:, pairs.edges.flatten()]
    h_j, h_i = x[source], x[target]
    cosine = cosine_similarity(h_i, h_j)[:, None]
    features = torch.cat([(h_i - h_j).abs(), h_i * h_j, cosine], dim=1)
    expected, _ = row_norm(t[target] + s[source] + features @ weight.T)
    torch.testing.assert_close(embedded, expected)
    torch.testing.assert_close(projected, expected @ project.T)
    if edge_index.numel():
        assert torch.autograd.gradcheck(lambda *given: edge_embedding(*given, pairs), tensors)
