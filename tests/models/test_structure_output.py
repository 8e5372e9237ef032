from __future__ import annotations

import dataclasses

import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.models import StructureOutput
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.graph_input import read_graphs

EDGES = torch.tensor([[0, 1, 2], [1, 0, 2]])


def test_coordinates_in_the_order_of_their_making() -> None:
    first, second, third = torch.randn(3, 3, 2)
    output = StructureOutput(EDGES, (first, second, third))
    assert output.initial is first
    assert output.pos is third
    assert output.trajectory == (second, third)
    once = StructureOutput(EDGES, (first,))
    assert once.pos is once.initial is first
    assert once.trajectory == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        output.state = first


def test_a_model_without_coordinates_has_no_pos() -> None:
    output = StructureOutput(EDGES, distances=torch.ones(3))
    for name in ("pos", "initial"):
        with pytest.raises(InputError, match="expected coordinates, found the output of a model that generates none"):
            getattr(output, name)
    assert output.trajectory == ()


def test_reads_a_batch_and_a_single_graph() -> None:
    data = Data(x=torch.randn(3, 4), edge_index=EDGES)
    alone = read_graphs(data, None, 4)
    assert alone.batch is None
    assert alone.num_graphs is None
    assert torch.equal(alone.edge_index, EDGES)
    together = read_graphs(Batch.from_data_list([data, data]), None, 4)
    assert together.batch.tolist() == [0, 0, 0, 1, 1, 1]
    assert together.num_graphs == 2
    other = EdgeIndex([[0], [1]], sparse_size=(3, 3))
    chosen = read_graphs(data, other, 4).edge_index
    assert type(chosen) is torch.Tensor
    assert chosen.tolist() == [[0], [1]]


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"shape \(n, 4\), found \(3, 5\)"):
        read_graphs(Data(x=torch.randn(3, 5), edge_index=EDGES), None, 4)
    with pytest.raises(InputError, match=r"shape \(n, 4\), found none"):
        read_graphs(Data(edge_index=EDGES), None, 4)
    with pytest.raises(InputError, match=r"candidate edges in batch\.edge_index, found none"):
        read_graphs(Data(x=torch.randn(3, 4)), None, 4)


def test_noise_follows_its_generator() -> None:
    pos = torch.zeros(2000, 2, dtype=torch.float64)
    first = initial_noise(pos, 0.3, torch.Generator().manual_seed(1))
    assert torch.equal(first, initial_noise(pos, 0.3, torch.Generator().manual_seed(1)))
    assert first.dtype == pos.dtype
    assert abs(float(first.std()) - 0.3) < 0.02
    assert (initial_noise(pos, 0.0, None) == 0).all()
