"""Transforms on what PyG users hand over: a Batch, heterogeneous data, and fields that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Batch, Data, HeteroData

from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.targets import multiscale_stress_target, random_walk_target
from pyg_gears.transforms import CandidateGraph, GeometricTargets, TargetFamilies

TRANSFORMS = {"candidates": CandidateGraph(4), "targets": GeometricTargets(3)}


def graphs() -> list[Data]:
    generator = torch.Generator().manual_seed(0)
    return [
        Data(x=torch.randn(n, 4, generator=generator), pos=torch.rand(n, 2, generator=generator), y=torch.tensor([n]))
        for n in (12, 5, 30)
    ]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_is_transformed_graph_by_graph(name: str) -> None:
    transform, batch = TRANSFORMS[name], Batch.from_data_list(graphs())
    keys = set(batch.keys())
    found = transform(batch)
    assert isinstance(found, Batch)
    assert set(batch.keys()) == keys
    expected = Batch.from_data_list([transform(graph) for graph in graphs()])
    assert set(found.keys()) == set(expected.keys())
    for key in expected.keys():  # noqa: SIM118  # iterating a Data gives pairs
        assert torch.equal(found[key], expected[key]), key
    for key in found.keys():  # noqa: SIM118
        if key.endswith("edge_index"):
            assert torch.equal(found.batch[found[key][0]], found.batch[found[key][1]])
    apart = found.to_data_list()
    assert [graph.num_nodes for graph in apart] == [12, 5, 30]
    assert torch.equal(apart[1].y, torch.tensor([5]))


def test_both_in_either_order() -> None:
    batch = Batch.from_data_list(graphs())
    one, other = CandidateGraph(4)(GeometricTargets()(batch)), GeometricTargets()(CandidateGraph(4)(batch))
    assert torch.equal(one.gate_target, other.gate_target)
    assert torch.equal(one.edge_index, other.edge_index)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_is_no_graph_of_one_kind_is_refused(name: str) -> None:
    transform, mixed = TRANSFORMS[name], HeteroData(cell={"x": torch.ones(5, 2), "pos": torch.rand(5, 2)})
    with pytest.raises(InputError, match="a Data or a Batch of them, found HeteroData; transform one node type"):
        transform(mixed)
    with pytest.raises(InputError, match="found HeteroDataBatch; transform one node type"):
        transform(Batch.from_data_list([mixed, mixed]))
    several = Data(x=torch.ones(4, 2), pos=torch.rand(4, 2), batch=torch.tensor([0, 0, 1, 1]))
    with pytest.raises(InputError, match="a Data whose field 'batch' names several graphs; make a Batch"):
        transform(several)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_that_cannot_be_taken_apart_is_refused(name: str) -> None:
    added = Batch.from_data_list(graphs())
    added.h = torch.ones(added.num_nodes, 1)
    with pytest.raises(InputError, match=r"as Batch\.from_data_list makes it, found h set since; transform"):
        TRANSFORMS[name](added)
    changed = Batch.from_data_list([CandidateGraph(4)(graph) for graph in graphs()])
    changed.edge_index = changed.edge_index[:, ::2]
    with pytest.raises(InputError, match="found edge_index set since"):
        TRANSFORMS[name](changed)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, r"an embedding in data\.x, found none"),
        (
            torch.ones(5),
            r"float embedding x of shape \(n, c\), found a torch\.float32 tensor of shape \(5,\); give every node",
        ),
        (
            torch.ones(5, 2, dtype=torch.long),
            r"float embedding x of shape \(n, c\), found a torch\.int64 tensor of shape \(5, 2\)",
        ),
        (torch.full((5, 2), torch.nan), "a finite embedding, found NaN or infinite values"),
        ([[1.0]], r"float embedding x of shape \(n, c\), found list"),
    ],
)
def test_embeddings_that_do_not_fit(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CandidateGraph(2)(Data(x=x, pos=torch.rand(5, 2)))


@pytest.mark.parametrize(
    ("pos", "message"),
    [
        (None, r"float coordinates in data\.pos, found none"),
        (torch.rand(5), r"in data\.pos, found a torch\.float32 tensor of shape \(5,\)"),
        (torch.ones(5, 2, dtype=torch.int32), r"in data\.pos, found a torch\.int32 tensor of shape \(5, 2\)"),
        (torch.full((5, 2), torch.nan), r"finite coordinates in data\.pos, found NaN or infinity"),
        (torch.full((5, 2), 1e30), r"in data\.pos whose squares fit torch\.float32, found up to 1e\+30"),
        (torch.rand(4, 2), r"a position for each row of data\.x, found 4; give every node both"),
        (torch.rand(2, 2), "position for each row|at least 3 nodes"),
    ],
)
def test_coordinates_that_do_not_fit(pos: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        GeometricTargets(2)(Data(x=torch.ones(5, 2), pos=pos))


def test_the_functions_behind_refuse_too() -> None:
    with pytest.raises(InputError, match="finite coordinates in pos, found NaN or infinity"):
        random_walk_target(torch.full((5, 2), torch.nan))
    with pytest.raises(InputError, match="finite coordinates in pos, found NaN or infinity"):
        multiscale_stress_target(torch.full((5, 2), torch.inf))
    with pytest.raises(InputError, match=r"float embedding x of shape \(n, c\)"):
        candidate_graph(torch.ones(5), 2)


def test_edges_that_are_no_candidates_are_refused_by_the_gate_target() -> None:
    graph = GeometricTargets(2)(Data(pos=torch.rand(6, 2)))
    graph.edge_index = torch.tensor([[0], [9]])
    graph.pos = torch.rand(6, 2)
    with pytest.raises(InputError, match=r"nodes 0\.\.5 in edge_index, found 0\.\.9"):
        GeometricTargets(2)(graph)


@pytest.mark.parametrize("k", [0, -1])
def test_numbers_of_neighbours_that_are_none(k: Any) -> None:
    graph = Data(x=torch.rand(8, 3), pos=torch.rand(8, 2))
    for transform in (
        CandidateGraph(k),
        GeometricTargets(k),
        TargetFamilies("fuzzy", k),
        TargetFamilies("triplets", k),
        TargetFamilies("lle", k),
        TargetFamilies("neighborhood", k),
    ):
        with pytest.raises(InputError, match=f"expected k to be a whole number above 0, found {k!r}; give one"):
            transform(graph.clone())


@pytest.mark.parametrize("n", [0, 1, 2])
def test_targets_of_very_few_nodes(n: int) -> None:
    walk, stress = random_walk_target(torch.rand(n, 2)), multiscale_stress_target(torch.rand(n, 2))
    assert walk.sigma.shape == (n,)
    assert walk.edge_index.size(1) == (2 if n == 2 else 0)
    assert stress.edge_index.size(1) == (1 if n == 2 else 0)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_batch_that_follows_fields_goes_on_following_them(name: str) -> None:
    transform = TRANSFORMS[name]
    found = transform(Batch.from_data_list(graphs(), follow_batch=["x", "pos"]))
    expected = Batch.from_data_list([transform(graph) for graph in graphs()], follow_batch=["x", "pos"])
    assert set(found.keys()) == set(expected.keys())
    assert torch.equal(found.x_batch, expected.x_batch)
    assert torch.equal(found.x_ptr, expected.x_ptr)


def test_what_lay_on_the_edges_goes_with_them() -> None:
    """As many old edges as new ones would be taken for theirs."""
    graph = CandidateGraph(4)(graphs()[0])
    edges = graph.num_edges
    graph.edge_attr, graph.edge_weight = torch.randn(edges, 3), torch.rand(edges)
    graph.gate_target, graph.cell_type = torch.rand(edges), torch.arange(12)
    found = CandidateGraph(4, "euclidean")(graph)
    assert set(found.keys()) == {"x", "pos", "y", "edge_index", "cell_type"}
    assert "edge_attr" in graph  # the graph that was given stays
