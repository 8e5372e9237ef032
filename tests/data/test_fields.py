from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.data import FIELDS, check_fields, refuse_coordinates
from pyg_gears.errors import InputError


def example(n: int, seed: int) -> Data:
    """A miniset with every field that may reach a batch, filled by the table."""
    generator = torch.Generator().manual_seed(seed)
    length = {"n": n, "c": 3, "e": 4 * n + seed, "r": 3 * n + 1, "s": 2 * n - 1}
    length |= {"f": 2 * n, "g": n + 2, "t": 5 * n, "l": 3 * n, "m": 4 * n - 1}
    data = Data()
    for field in FIELDS.values():
        shape = [length.get(d, d) for d in field.shape]
        if field.name == "node_id":
            data[field.name] = torch.randperm(5 * n, generator=generator)[:n].sort().values
        elif field.kind == "int":
            data[field.name] = torch.randint(n, shape, generator=generator)
        else:
            data[field.name] = torch.rand(shape, generator=generator)
    return data


def without_pos(data: Data) -> Data:
    del data.pos
    return data


def test_the_example_has_every_field_and_is_valid() -> None:
    data = example(7, 0)
    assert set(data.keys()) == set(FIELDS)
    check_fields(data)
    check_fields(without_pos(data))
    check_fields(Batch.from_data_list([without_pos(example(n, n)) for n in (5, 1, 9)]))


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.batching != "never"])
def test_batching_follows_the_table(name: str) -> None:
    graphs = [without_pos(example(n, n)) for n in (5, 1, 9)]
    batch = Batch.from_data_list(graphs)
    expected: list[Tensor] = []
    before = 0
    for graph in graphs:
        expected.append(graph[name] + before if FIELDS[name].batching == "shift" else graph[name])
        before += graph.num_nodes
    along = -1 if FIELDS[name].batching == "shift" else 0
    assert torch.equal(batch[name], torch.cat(expected, dim=along))
    if FIELDS[name].level == "graph":
        assert batch[name].shape == (3,)
    for graph, again in zip(graphs, batch.to_data_list(), strict=True):
        assert torch.equal(graph[name], again[name])


def test_coordinates_are_refused() -> None:
    with pytest.raises(InputError, match="without coordinates, found 'pos'; apply GeometricTargets"):
        refuse_coordinates(example(5, 0))
    refuse_coordinates(without_pos(example(5, 0)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sigmas", torch.ones(6), "found 'sigmas' .did you mean 'sigma'"),
        ("sigma", torch.ones(5), r"'sigma' of shape \('n',\).*found \(5,\)"),
        ("sigma", torch.ones(6, 1), r"'sigma' of shape \('n',\).*found \(6, 1\)"),
        ("gate_target", torch.ones(3), "'gate_target' of shape"),
        ("edge_index", torch.zeros(3, 24, dtype=torch.long), "'edge_index' of shape"),
        ("edge_index", torch.zeros(2, 24), "'edge_index' to be a tensor of int, found torch.float32"),
        ("edge_index", torch.zeros(2, 24, dtype=torch.int32), "'edge_index' to be a tensor of int"),
        ("edge_index", torch.full((2, 24), 6), "'edge_index' between nodes of one graph"),
        ("edge_index", torch.full((2, 24), -1), "'edge_index' between nodes of one graph"),
        ("triplet_index", torch.zeros(2, 30, dtype=torch.long), "'triplet_index' of shape"),
        ("lle_weight", torch.ones(17), r"'lle_weight' of shape \('l',\).*found \(17,\)"),
        ("rw_steps", 3, "'rw_steps' to be a tensor of int, found int"),
        ("rw_steps", torch.tensor([1, 2]), "'rw_steps' of shape"),
        ("x", torch.full((6, 3), torch.nan), "finite values in 'x'"),
        ("stress_distance", torch.full((11,), torch.inf), "finite values in 'stress_distance'"),
        ("node_id", torch.tensor([0, 1, 3, 2, 4, 5]), "'node_id' ascending"),
        ("node_id", torch.tensor([0, 1, 1, 2, 4, 5]), "'node_id' ascending"),
    ],
)
def test_disagreement_is_named(name: str, value: object, message: str) -> None:
    data = example(6, 0)
    check_fields(data)
    data[name] = value
    with pytest.raises(InputError, match=message):
        check_fields(data)


def test_missing_fields_and_edges_between_graphs() -> None:
    data = example(6, 0)
    del data.slide_id
    with pytest.raises(InputError, match="expected the field 'slide_id'"):
        check_fields(data)
    check_fields(data, required=())
    batch = Batch.from_data_list([without_pos(example(n, n)) for n in (5, 4)])
    batch.triplet_index[:, 0] = torch.tensor([0, 1, 8])
    with pytest.raises(InputError, match="'triplet_index' between nodes of one graph"):
        check_fields(batch)
    batch.edge_index[0, 0], batch.edge_index[1, 0] = 0, 8
    with pytest.raises(InputError, match="'edge_index' between nodes of one graph"):
        check_fields(batch)
