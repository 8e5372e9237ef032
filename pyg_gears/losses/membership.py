"""Which node belongs to which graph, for a PyG batch and for a single graph alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.errors import InputError, expect
from pyg_gears.geometry import checked_coordinates, gauge_fix
from pyg_gears.graphs.checked_edges import checked_edges


class Membership(NamedTuple):
    """``batch`` (n,) graph of each node, ``ptr`` (b + 1,) first node of each graph, ``size`` (b,) nodes of each graph."""

    batch: Int[Tensor, " n"]
    ptr: Int[Tensor, " b1"]
    size: Int[Tensor, " b"]

    @property
    def num_graphs(self) -> int:
        """Number of graphs b."""
        return self.size.numel()

    def in_gauge(self, pos: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Every graph's layout in the gauge; half precision becomes float32, which holds the losses' small offsets.

        Raises:
            InputError: when ``pos`` holds no float coordinates, one row per node.
        """
        pos = checked_coordinates(pos)
        _check_rows(pos.size(0), self.batch)
        return gauge_fix(pos, self.batch, self.num_graphs)

    def node_mean(self, values: Float[Tensor, " n"]) -> Float[Tensor, " b"]:
        """Mean over the nodes of each graph."""
        return scatter(values, self.batch, dim_size=self.num_graphs, reduce="mean")

    def edge_mean(self, values: Float[Tensor, " e"], node: Int[Tensor, " e"]) -> Float[Tensor, " b"]:
        """Mean over the edges of each graph, 0 where a graph has none; ``node`` is one end of each edge."""
        return scatter(values, self.batch[node], dim_size=self.num_graphs, reduce="mean")


def membership(data: Data, num_nodes: int, device: torch.device | None = None) -> Membership:
    """Read the membership of ``num_nodes`` predicted nodes from a Batch or a Data.

    Args:
        data: Batch, or one graph, of which no field is needed.
        num_nodes: Number of nodes n.
        device: Device of the membership of a single graph; that of its first tensor if omitted.

    Returns:
        The membership of each node.

    Raises:
        InputError: when the batch describes another number of nodes, or no graph, or nodes not sorted by graph.
    """
    batch, ptr = getattr(data, "batch", None), getattr(data, "ptr", None)
    if batch is None:
        known = (value.device for value in data.to_dict().values() if isinstance(value, Tensor))
        size = torch.tensor([num_nodes], device=device or next(known, None))
        return Membership(size.new_zeros(num_nodes), torch.cat([size.new_zeros(1), size]), size)
    _check_rows(num_nodes, batch)
    if ptr is None:
        expect(
            num_nodes > 0 and bool((batch.diff() >= 0).all()),
            f"expected nodes sorted by graph, found {'another order' if num_nodes else 'no node'}; make the batch with "
            "Batch.from_data_list.",
        )
        size = torch.bincount(batch)
        ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Membership(batch, ptr, ptr.diff())


def gauged(pos: Tensor, batch: Data) -> tuple[Membership, Tensor]:
    """The membership of predicted nodes, and their coordinates in the gauge.

    Raises:
        InputError: as :func:`membership` and :meth:`Membership.in_gauge`.
    """
    pos = checked_coordinates(pos)
    members = membership(batch, pos.size(0), pos.device)
    return members, members.in_gauge(pos)


def _check_rows(count: int, batch: Tensor) -> None:
    expect(
        count == batch.numel(),
        f"expected coordinates of the {batch.numel()} nodes of the batch, found {count}; pass the batch they "
        "belong to.",
    )


def target_edges(batch: Data, name: str, num_nodes: int) -> Int[Tensor, "2 e"]:
    """The edges that a target lies on.

    Raises:
        InputError: when the batch has none, or when they are no edges between its nodes.
    """
    return checked_edges(_target(batch, name), num_nodes, name)


def target_triplets(batch: Data) -> Int[Tensor, "3 t"]:
    """The nodes (anchor, near, far) of the ring triplets.

    Raises:
        InputError: when the batch has none, or when they do not have three rows.
    """
    triplets = _target(batch, "triplet_index")
    expect(
        triplets.dim() == 2 and triplets.size(0) == 3,
        f"expected triplet_index of shape (3, t), found {tuple(triplets.shape)}; apply TargetFamilies again.",
    )
    return triplets


def target_values(batch: Data, name: str, count: int) -> Tensor:
    """The values of a target, one for each of ``count`` nodes or edges.

    Raises:
        InputError: when the batch has none, or another number.
    """
    values = _target(batch, name)
    expect(
        values.size(0) == count,
        f"expected {count} values in {name}, found {values.size(0)}; build the targets on these nodes and edges.",
    )
    return values


def _target(batch: Data, name: str) -> Tensor:
    value = getattr(batch, name, None)
    if not isinstance(value, Tensor):
        family = name.partition("_")[0] in ("fuzzy", "triplet", "lle", "near")
        maker = "CandidateGraph" if name in ("edge_index", "gate_target") else "GeometricTargets"
        maker = "GramFactor" if name == "gram_factor" else "TargetFamilies" if family else maker
        raise InputError(f"expected {name} in the batch, found none; apply {maker} to its graphs first.")
    return value
