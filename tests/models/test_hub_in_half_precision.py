"""A node with more edges than bfloat16 counts to."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.models import OperatorNet
from pyg_gears.models.drift import Drift
from pyg_gears.models.moving_model import misalignment
from pyg_gears.models.springs import spring_step
from pyg_gears.nn import EGNNConv

N = 700


def hub() -> Tensor:
    """Edges between every node and node 0, both ways."""
    other = torch.arange(1, N)
    return torch.stack([torch.cat([other, 0 * other]), torch.cat([0 * other, other])])


def values(channels: int) -> Tensor:
    return torch.randn(N, channels, generator=torch.Generator().manual_seed(0)).bfloat16()


def test_mean_of_messages() -> None:
    torch.manual_seed(0)
    layer = EGNNConv(4)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    layer = layer.bfloat16()
    found = layer(values(4), values(2), hub())[0][0]
    wanted = layer.float()(values(4).float(), values(2).float(), hub())[0][0]
    torch.testing.assert_close(found.float(), wanted, atol=0.05, rtol=0.05)


def test_velocity() -> None:
    torch.manual_seed(0)
    drift = Drift(4, 8)
    torch.nn.init.normal_(drift.strength.last.weight)
    state, pos, graph = values(4), values(2) + 1, torch.zeros(N, dtype=torch.long)
    found = drift.bfloat16()(pos, state, hub(), graph, 1, 0.5)[0]
    wanted = drift.float()(pos.float(), state.float(), hub(), graph, 1, 0.5)[0]
    torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.03)


def test_alignment_of_many_velocities() -> None:
    velocity, graph = torch.ones(N, 2, dtype=torch.bfloat16), torch.zeros(N, dtype=torch.long)
    wanted = torch.ones(N, 2, dtype=torch.bfloat16)
    wanted[N // 2 :] *= -1  # half of them run the other way, and the cosine is 0
    torch.testing.assert_close(float(misalignment(velocity, wanted, graph, 1)), 1.0, atol=0.01, rtol=0)


def test_springs() -> None:
    pos, edges = values(2), hub()
    rest, weight = torch.ones(2 * N - 2), torch.full((2 * N - 2,), 0.7)
    found = spring_step(pos, edges, rest.bfloat16(), weight.bfloat16())[0]
    torch.testing.assert_close(found.float(), spring_step(pos.float(), edges, rest, weight)[0], atol=0.03, rtol=0)


def test_rows_of_an_operator_sum_to_one() -> None:
    torch.manual_seed(0)
    model = OperatorNet(4, 8, layers=1, points=3, heads=2, latent_channels=2).bfloat16().eval()
    output = model(Data(x=values(4), edge_index=hub()))
    assert output.operator is not None
    rows = torch.zeros(N).index_add(0, output.edge_index[1], output.operator.float())
    torch.testing.assert_close(rows, torch.ones(N), atol=0.02, rtol=0)
