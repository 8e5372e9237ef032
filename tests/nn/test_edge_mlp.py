from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from pyg_gears.nn import pair_mlp
from pyg_gears.nn.edge_mlp import edge_mlp, edge_update
from pyg_gears.nn.row_norm import row_norm

E, N, D, K, H = 11, 4, 6, 3, 2
EDGES = torch.randint(0, N, (2, E), generator=torch.Generator().manual_seed(0))


def drawn(*shapes: tuple[int, ...]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def plain(edge: Tensor, t: Tensor, s: Tensor, w1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    return torch.stack([w2 @ gelu(w1 @ e + t[i] + s[j]) + b2 for e, j, i in zip(edge, *EDGES.tolist(), strict=True)])


@pytest.fixture(autouse=True)
def several_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pair_mlp.CHUNK, "cpu", 4)  # the last one short


def test_the_mlp_and_its_gradient() -> None:
    tensors = drawn((E, D), (N, K), (N, K), (K, D), (2, K), (2,))

    def f(edge: Tensor, t: Tensor, s: Tensor, w1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        return edge_mlp(edge, t, s, EDGES, w1, (w2, b2))

    torch.testing.assert_close(f(*tensors), plain(*tensors))
    assert torch.autograd.gradcheck(f, tensors)


@pytest.mark.parametrize("heads", [0, H])
def test_the_update_and_its_gradient(heads: int) -> None:
    *tensors, project = drawn((E, D), (N, K), (N, K), (K, D), (D, K), (D,), (heads, D))

    def f(edge: Tensor, t: Tensor, s: Tensor, w1: Tensor, w2: Tensor, b2: Tensor, u: Tensor) -> tuple[Tensor, ...]:
        return edge_update(edge, t, s, EDGES, w1, (w2, b2), u)

    updated, projected = f(*tensors, project)
    expected, _ = row_norm(tensors[0] + plain(*tensors))
    torch.testing.assert_close(updated, expected)
    torch.testing.assert_close(projected, expected @ project.T)
    assert torch.autograd.gradcheck(lambda *given: f(*given)[: 2 if heads else 1], [*tensors, project])
