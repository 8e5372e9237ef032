"""The one table of what a miniset carries: name, level, shape, type, unit and how PyG batches it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import InputError, expect, nearest_name


class Field(NamedTuple):
    """One field of a miniset.

    Attributes:
        name: Attribute of the ``Data``.
        level: What one entry belongs to.
        shape: Dimensions of one miniset: a number, or a letter that means the same length everywhere
            (n nodes, c channels, e candidate edges, r edges of the random walk, s stress edges, f edges and g pairs of the
            fuzzy graph, t triplets, l edges of the local weights, m edges to near nodes).
        kind: "float" (the dtype of ``x``) or "int" (int64).
        unit: Unit or meaning of the values; "gauge" is the slide's length unit after centring and division by the RMS.
        batching: "concatenate" along the first dimension; "shift" = concatenate along the last dimension after adding
            the number of nodes that came before; "never" = must not reach a batch.
    """

    name: str
    level: Literal["node", "edge", "graph"]
    shape: tuple[str | int, ...]
    kind: Literal["float", "int"]
    unit: str
    batching: Literal["concatenate", "shift", "never"]


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("x", "node", ("n", "c"), "float", "embedding of expression", "concatenate"),
        Field("pos", "node", ("n", 2), "float", "coordinates, unit of the slide; gone once targets exist", "never"),
        Field("node_id", "node", ("n",), "int", "number of the spot on its slide, ascending", "concatenate"),
        Field("sigma", "node", ("n",), "float", "frozen bandwidth of the random walk, gauge", "concatenate"),
        Field(
            "gram_factor",
            "node",
            ("n", 2),
            "float",
            "factor of the Gram matrix, RMS radius of the slide",
            "concatenate",
        ),
        Field("edge_index", "edge", (2, "e"), "int", "candidates j -> i with self-loops", "shift"),
        Field("gate_target", "edge", ("e",), "float", "reference transition per target node, sums to 1", "concatenate"),
        Field("rw_edge_index", "edge", (2, "r"), "int", "support of the random walk, both directions", "shift"),
        Field("rw_multiplicity", "edge", ("r",), "float", "1 for mutual neighbours, 1/2 for one-sided", "concatenate"),
        Field("rw_log_ref", "edge", ("r",), "float", "log affinity before multiplicity, <= 0", "concatenate"),
        Field("stress_edge_index", "edge", (2, "s"), "int", "pairs of the stress, each once", "shift"),
        Field("stress_distance", "edge", ("s",), "float", "true distance, gauge", "concatenate"),
        Field("fuzzy_edge_index", "edge", (2, "f"), "int", "fuzzy graph, neighbour j to node i", "shift"),
        Field("fuzzy_membership", "edge", ("f",), "float", "membership of each edge, 0..1", "concatenate"),
        Field("fuzzy_negative_index", "edge", (2, "g"), "int", "pairs that are no neighbours", "shift"),
        Field("triplet_index", "edge", (3, "t"), "int", "anchor, near node, far node", "shift"),
        Field("lle_edge_index", "edge", (2, "l"), "int", "neighbour j to the node i that it reconstructs", "shift"),
        Field("lle_weight", "edge", ("l",), "float", "weight per target node, sums to 1", "concatenate"),
        Field("near_edge_index", "edge", (2, "m"), "int", "near node j to node i", "shift"),
        Field("near_tau", "graph", (1,), "float", "squared distance over which near nodes count, gauge", "concatenate"),
        Field("rw_steps", "graph", (1,), "int", "longest power of the random walk", "concatenate"),
        Field("slide_id", "graph", (1,), "int", "number of the slide", "concatenate"),
        Field("pair_id", "graph", (1,), "int", "number of the pair of overlapping views", "concatenate"),
    )
}
"""Every field that a miniset can have, by name."""

# What PyG itself keeps in a Batch.
_BOOKKEEPING = frozenset({"batch", "ptr", "num_nodes"})


def refuse_coordinates(data: Data, dropped: Collection[str] = ()) -> None:
    """Raise when the graph carries a field that must never reach a batch.

    Args:
        data: The graph.
        dropped: Fields that will not reach the batch.

    Raises:
        InputError: when a coordinate is present.
    """
    found = [
        name for name, field in FIELDS.items() if field.batching == "never" and name in data and name not in dropped
    ]
    expect(
        not found,
        f"expected a miniset without coordinates, found {', '.join(map(repr, found))}; "
        "apply GeometricTargets (it drops them) before batching.",
    )


def check_fields(data: Data, required: Iterable[str] = ("x", "slide_id", "node_id")) -> None:
    """Check a miniset, or a batch of minisets, against the table.

    Every field must be known and have the shape, type and finite values that the table lists; edges must stay inside
    their graph and ``node_id`` must ascend within each graph.

    Args:
        data: A ``Data``, or a ``Batch`` of them.
        required: Fields that must be there.

    Raises:
        InputError: naming the first field that disagrees.
    """
    present = set(data.keys()) - _BOOKKEEPING
    # The table's order: PyG's changes from run to run, and index fields come before what lies on their edges.
    keys = sorted(present - set(FIELDS)) + [name for name in FIELDS if name in present]
    for name in required:
        expect(name in keys, f"expected the field {name!r} in a miniset, found {sorted(keys)}; add it first.")
    n = int(data.num_nodes or 0)
    graph = data.batch if "batch" in data else torch.zeros(n, dtype=torch.long)
    graphs = int(data.num_graphs) if "batch" in data else 1
    length: dict[str | int, int] = {"n": n}
    for name in keys:
        if name not in FIELDS:
            hint = nearest_name(name, FIELDS)
            raise InputError(f"expected fields of the miniset table, found {name!r}{hint}; remove it or add it there.")
        field, value = FIELDS[name], data[name]
        _check_tensor(field, value)
        shape = (graphs,) if field.level == "graph" else field.shape
        wanted = tuple(size if isinstance(size, int) else length.get(size, -1) for size in shape)
        for letter, size in zip(shape, value.shape, strict=False):
            if isinstance(letter, str):
                length.setdefault(letter, size)
        fits = value.dim() == len(wanted) and all(w in (-1, s) for w, s in zip(wanted, value.shape, strict=True))
        expect(
            fits,
            f"expected {name!r} of shape {shape} with {length}, found {tuple(value.shape)}; rebuild the miniset.",
        )
        if field.batching == "shift":
            inside = value.numel() == 0 or (int(value.min()) >= 0 and int(value.max()) < n)
            inside = inside and bool((graph[value] == graph[value[0]]).all())
            expect(
                inside,
                f"expected {name!r} between nodes of one graph, found edges that leave theirs; rebuild the miniset.",
            )
    node_id = data["node_id"] if "node_id" in keys else torch.arange(n)
    ascending = (node_id.diff() > 0) | (graph.diff() != 0)
    expect(bool(ascending.all()), "expected 'node_id' ascending in each graph, found another order; sort the spots.")


def _check_tensor(field: Field, value: object) -> None:
    right = isinstance(value, Tensor) and (
        value.is_floating_point() if field.kind == "float" else value.dtype == torch.long
    )
    found = value.dtype if isinstance(value, Tensor) else type(value).__name__
    expect(right, f"expected {field.name!r} to be a tensor of {field.kind}, found {found}; convert it.")
    assert isinstance(value, Tensor)
    expect(
        field.kind == "int" or bool(torch.isfinite(value).all()),
        f"expected finite values in {field.name!r}, found NaN or infinity; check the input of the miniset.",
    )
