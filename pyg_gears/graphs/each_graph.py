"""What is done to one graph, done to every graph of a Batch, so that no edge joins two of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError, expect


def each_graph(data: Any, transform: Callable[[Data], Data]) -> Data:
    """Transform a graph, or take a Batch apart, transform its graphs and put them together again.

    The new Batch follows the fields that PyG's ``follow_batch`` named for the old one.

    Args:
        data: A Data, or a Batch of them.
        transform: What is done to a single graph.

    Raises:
        InputError: for a heterogeneous graph, for several graphs in a Data, or for a Batch with fields set since it was
            made, which cannot be taken apart.
    """
    if isinstance(data, Batch) and isinstance(data, Data):
        followed = _followed(data)
        return Batch.from_data_list([transform(graph) for graph in _apart(data, followed)], follow_batch=followed)
    if not isinstance(data, Data):
        raise InputError(
            f"expected a Data or a Batch of them, found {type(data).__name__}; transform one node type at a time, as a "
            "Data of its own, or join them with to_homogeneous()."
        )
    graph = data.to_dict().get("batch")
    if isinstance(graph, Tensor) and graph.numel() and bool((graph != graph[0]).any()):
        raise InputError(
            "expected one graph or a Batch, found a Data whose field 'batch' names several graphs; make a Batch with "
            "Batch.from_data_list, or transform the graphs before they are batched."
        )
    return transform(data)


def _followed(batch: Batch) -> list[str]:
    """The fields that have a membership of their own."""
    slices = getattr(batch, "_slice_dict", None) or {}
    return [name for name in slices if f"{name}_batch" in batch and f"{name}_ptr" in batch]


def _apart(batch: Batch, followed: list[str]) -> list[Data]:
    """The graphs of a Batch."""
    slices = getattr(batch, "_slice_dict", None) or {}
    made = {"batch", "ptr", "num_nodes", *(f"{name}_{of}" for name in followed for of in ("batch", "ptr"))}
    since = []
    for name, value in batch.to_dict().items():
        if name in made:
            continue
        kept = name in slices
        if kept and isinstance(value, Tensor):
            dim = batch.__cat_dim__(name, value)
            kept = dim is None or int(slices[name][-1]) == value.size(dim)
        since += [] if kept else [name]
    expect(
        not since and hasattr(batch, "ptr"),
        f"expected a Batch as Batch.from_data_list makes it, found {', '.join(since) or 'no ptr'} set since; transform "
        "the graphs before they are batched.",
    )
    return batch.to_data_list()
