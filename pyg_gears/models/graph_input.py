"""What a structure model reads from a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect


@dataclass(frozen=True)
class GraphInput:
    """Embedding, edges and membership of the nodes.

    Attributes:
        x: Embedding, shape (n, c).
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e), a plain tensor.
        batch: Graph of each node, shape (n,); None for a single graph.
        num_graphs: Number of graphs, where the batch knows it.
    """

    x: Float[Tensor, "n c"]
    edge_index: Int[Tensor, "2 e"]
    batch: Int[Tensor, " n"] | None
    num_graphs: int | None


def read_graphs(batch: Any, edge_index: Tensor | None, in_channels: int) -> GraphInput:
    """Read embedding, edges and membership from a Batch or a single Data.

    Args:
        batch: PyG Batch or Data with ``x`` and, unless ``edge_index`` is given, ``edge_index``.
        edge_index: Edges to use instead of the batch's own, shape (2, e).
        in_channels: Channels that ``x`` must have.

    Raises:
        InputError: when the embedding is missing or of another width, or when there are no edges.
    """
    x = getattr(batch, "x", None)
    expect(
        isinstance(x, Tensor) and x.dim() == 2 and x.size(1) == in_channels,
        f"expected an embedding x of shape (n, {in_channels}), found "
        f"{tuple(x.shape) if isinstance(x, Tensor) else 'none'}; use the encoder that the model was built for.",
    )
    edge_index = getattr(batch, "edge_index", None) if edge_index is None else edge_index
    expect(
        isinstance(edge_index, Tensor),
        "expected candidate edges in batch.edge_index, found none; apply transforms.CandidateGraph first.",
    )
    assert isinstance(x, Tensor)
    assert isinstance(edge_index, Tensor)
    if hasattr(edge_index, "as_tensor"):
        edge_index = edge_index.as_tensor()
    membership = getattr(batch, "batch", None)
    num_graphs = None if membership is None else getattr(batch, "num_graphs", None)
    return GraphInput(x=x, edge_index=edge_index, batch=membership, num_graphs=num_graphs)
