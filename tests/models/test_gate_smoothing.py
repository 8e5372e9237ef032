from __future__ import annotations

import pytest
import torch

from pyg_gears.models.gate_smoothing import GateSmoothing
from pyg_gears.nn import AttentionBias
from pyg_gears.testing import assert_coordinate_equivariant, random_graphs


def biased(gate: torch.Tensor | None) -> tuple[torch.Tensor, AttentionBias]:
    graph = random_graphs([9], 3, dtype=torch.float64)[0]
    edge_index = graph.edge_index[:, graph.edge_index[1] != 2]  # nothing enters node 2
    logits = None if gate is None else gate[: edge_index.size(1)]
    return graph.pos, AttentionBias(edge_index, 9, gate_logits=logits, beta=1.5)


@pytest.mark.parametrize("heads", [None, 1, 3])
def test_moves_a_share_of_the_way_to_the_weighted_mean(heads: int | None) -> None:
    draw = torch.randn(81, heads or 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pos, bias = biased(None if heads is None else draw)
    smoothing = GateSmoothing().double()
    torch.nn.init.constant_(smoothing.raw_share, 0.7)
    found, weight = smoothing(pos, bias, scale=0.5)
    share = 0.5 / (1 + torch.exp(torch.tensor(-0.7, dtype=torch.float64)))
    for i in range(9):
        incoming = (bias.edge_index[1] == i).nonzero().flatten()
        logits = torch.zeros(len(incoming), 1).double() if heads is None else 1.5 * draw[incoming]
        w = logits.softmax(dim=0)
        expected = pos[i]
        if len(incoming):
            torch.testing.assert_close(weight[incoming], w)
            expected = (1 - share) * pos[i] + share * w.mean(dim=1) @ pos[bias.edge_index[0, incoming]]
        torch.testing.assert_close(found[i], expected)


def test_starts_at_half_moves_with_the_plane_and_learns() -> None:
    pos, bias = biased(None)
    smoothing = GateSmoothing().double()
    assert float(smoothing.share.detach()) == 0.5
    assert_coordinate_equivariant(lambda p: smoothing(p, bias)[0], pos, allow_reflection=True, tol=1e-12)
    smoothing(pos, bias)[0].square().sum().backward()
    assert smoothing.raw_share.grad.abs() > 0
    torch.nn.init.constant_(smoothing.raw_share, 3.0)
    smoothing.reset_parameters()
    assert float(smoothing.share.detach()) == 0.5
