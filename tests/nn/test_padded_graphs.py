from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.nn import pad_graphs

RAGGED = torch.tensor([0, 0, 0, 1, 2, 2])
EDGES = torch.tensor([[0, 1, 2, 4], [1, 0, 0, 5]])  # node 3 is a graph of its own; nodes 2, 3 and 4 receive nothing


def test_every_edge_lies_at_target_source_and_every_other_pair_is_masked() -> None:
    graphs = pad_graphs(EDGES, 6, RAGGED)
    assert graphs is not None
    expected = torch.full((3, 1, 3, 3), -1e30)
    expected[0, 0, 1, 0], expected[0, 0, 0, 1], expected[0, 0, 0, 2], expected[2, 0, 1, 0] = 1.0, 2.0, 3.0, 4.0
    assert torch.equal(graphs.spread(torch.tensor([[1.0], [2.0], [3.0], [4.0]])), expected)
    assert graphs.filled is not None
    assert graphs.filled.tolist() == [True, True, False, False, False, True]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_mask_is_finite_and_decides(dtype: torch.dtype) -> None:
    graphs = pad_graphs(EDGES, 6, RAGGED)
    assert graphs is not None
    spread = graphs.spread(torch.zeros(4, 2, dtype=dtype))
    assert spread.dtype == dtype
    assert torch.isfinite(spread - 100.0).all()
    weights = (spread - 100.0).softmax(dim=-1)
    assert torch.isfinite(weights).all()
    assert weights[0, 0].tolist() == [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [pytest.approx(1 / 3, abs=1e-2)] * 3]


def test_pad_and_gather_are_inverse_where_edges_arrive() -> None:
    graphs = pad_graphs(EDGES, 6, RAGGED)
    assert graphs is not None
    values = torch.randn(6, 2, 4)
    padded = graphs.pad(values)
    assert padded.shape == (3, 3, 2, 4)
    assert (padded[1, 1:] == 0).all()
    arrives = torch.tensor([1.0, 1, 0, 0, 0, 1])[:, None, None]
    assert torch.equal(graphs.gather(padded), values * arrives)


def test_per_head_bias_and_gradient() -> None:
    bias = torch.randn(4, 2, requires_grad=True)
    graphs = pad_graphs(EDGES, 6, RAGGED)
    assert graphs is not None
    spread = graphs.spread(bias)
    assert spread.shape == (3, 2, 3, 3)
    weight = torch.randn_like(spread)
    (spread * weight).clamp(min=-1e6).sum().backward()
    expected = torch.stack([weight[0, :, 1, 0], weight[0, :, 0, 1], weight[0, :, 0, 2], weight[2, :, 1, 0]])
    torch.testing.assert_close(bias.grad, expected)


def test_equal_sizes_need_no_padding() -> None:
    graphs = pad_graphs(torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]]), 4, torch.tensor([0, 0, 1, 1]))
    assert graphs is not None
    assert graphs.node_slot is None
    assert graphs.filled is None


def test_auto_declines() -> None:
    repeated = torch.tensor([[0, 0], [1, 1]])
    assert pad_graphs(repeated, 2, auto=True) is None
    sparse = torch.stack([torch.arange(100), torch.arange(100).roll(1)])
    assert pad_graphs(sparse, 100, auto=True) is None
    assert pad_graphs(sparse, 100) is not None
    large = torch.zeros(2, 1, dtype=torch.long)
    assert pad_graphs(large, 3000, auto=True) is None
    between = torch.tensor([[0, 1, 2, 3, 0], [1, 0, 3, 2, 3]])
    assert pad_graphs(between, 4, torch.tensor([0, 0, 1, 1]), auto=True) is None
    assert pad_graphs(EDGES, 6, RAGGED.flip(0), auto=True) is None
    assert pad_graphs(EDGES, 6, RAGGED, auto=True) is not None


def test_bad_input() -> None:
    with pytest.raises(InputError, match="every edge once, found repeated edges"):
        pad_graphs(torch.tensor([[0, 0], [1, 1]]), 2)
    with pytest.raises(InputError, match="nodes sorted by graph"):
        pad_graphs(EDGES, 6, RAGGED.flip(0))
    with pytest.raises(InputError, match="edges within graphs"):
        pad_graphs(torch.tensor([[0], [5]]), 6, RAGGED)
