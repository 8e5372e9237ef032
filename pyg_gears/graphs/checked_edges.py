"""The one door for edges: whatever a PyG user holds becomes a plain edge list, or one sentence says why not."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.typing import SparseTensor
from torch_geometric.utils import is_torch_sparse_tensor, to_edge_index

from pyg_gears.errors import InputError
from pyg_gears.geometry.known_values import values_are_known


def checked_edges(edges: Any, num_nodes: int, name: str = "edge_index") -> Int[Tensor, "2 e"]:
    """Bring edges to the form that the package computes with.

    Args:
        edges: Edges, [0] = source j, [1] = target i, shape (2, e), of any integer type; an ``EdgeIndex``; or a
            transposed adjacency ``adj_t`` (n, n) as PyG's ``ToSparseTensor`` makes it (row = target), a torch.sparse
            COO, CSR or CSC tensor or a ``SparseTensor``, of which the pattern counts and the values do not.
        num_nodes: Nodes n.
        name: What the edges are called in an error.

    Returns:
        A plain int64 tensor (2, e): the columns in the order given, those of an adjacency in the order it stores them.

    Raises:
        InputError: for another type or shape, or for a node outside 0..n-1. Values are looked at on the CPU only: on a
            GPU that would wait for the device, and under ``torch.compile`` they are not known.

    >>> checked_edges(torch.tensor([[0], [1]], dtype=torch.int32), 2)
    tensor([[0],
            [1]])
    """
    if isinstance(edges, SparseTensor) or (isinstance(edges, Tensor) and edges.layout != torch.strided):
        edges = _from_adjacency(edges, num_nodes, name)
    if not isinstance(edges, Tensor):
        raise InputError(
            f"expected {name} as a tensor of shape (2, e), found {_kind(edges)}; pass sources and targets as two rows."
        )
    if edges.dim() != 2 or edges.size(0) != 2:
        raise InputError(f"expected {name} of shape (2, e), found {tuple(edges.shape)}; {_remedy(edges)}.")
    if edges.is_floating_point() or edges.is_complex() or edges.dtype == torch.bool:
        raise InputError(f"expected {name} of integers, found {edges.dtype}; number the nodes and call .long().")
    if isinstance(edges, EdgeIndex):
        # A compiler cannot look inside, but it can take the rows.
        edges = torch.stack([edges[0], edges[1]]) if torch.compiler.is_compiling() else edges.as_tensor()
    edges = edges.long()
    if values_are_known(edges) and edges.numel():
        low, high = (int(end) for end in edges.aminmax())
        if low < 0 or high >= num_nodes:
            raise InputError(
                f"expected nodes 0..{num_nodes - 1} in {name}, found {low}..{high}; "
                "number the nodes from 0, and pass a row for each of them."
            )
    return edges


def _from_adjacency(adjacency: Any, num_nodes: int, name: str) -> Tensor:
    if isinstance(adjacency, Tensor) and not is_torch_sparse_tensor(adjacency):
        raise InputError(f"expected a COO, CSR or CSC adjacency, found {adjacency.layout}; convert it to one of them.")
    shape = tuple(adjacency.sizes()) if isinstance(adjacency, SparseTensor) else tuple(adjacency.shape)
    if shape != (num_nodes, num_nodes):
        raise InputError(
            f"expected {name} or an adjacency of shape ({num_nodes}, {num_nodes}), found {shape}; "
            "pass the square adjacency of these nodes."
        )
    return to_edge_index(adjacency)[0].flip(0)


def _kind(edges: Any) -> str:
    return "none" if edges is None else type(edges).__name__


def _remedy(edges: Tensor) -> str:
    if edges.dim() == 2 and edges.size(1) == 2:
        return "transpose it with .t()"
    if edges.dim() == 2 and edges.size(0) == edges.size(1):
        return "make an edge list of a dense adjacency with torch_geometric.utils.dense_to_sparse"
    return "pass sources and targets as two rows"
