"""What a structure model reads from a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_gears.errors import InputError, expect
from pyg_gears.geometry.known_values import values_are_known
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.nn.checked_nodes import all_finite, checked_nodes


@dataclass(frozen=True)
class GraphInput:
    """Embedding, edges and membership of the nodes.

    Attributes:
        x: Embedding, shape (n, c).
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e), a plain tensor.
        batch: Graph of each node, shape (n,); None for a single graph.
        num_graphs: Graphs, if the batch carries it.
    """

    x: Float[Tensor, "n c"]
    edge_index: Int[Tensor, "2 e"]
    batch: Int[Tensor, " n"] | None
    num_graphs: int | None

    @property
    def member(self) -> Int[Tensor, " n"]:
        """Graph of each node, also where there is only one, shape (n,)."""
        return self.edge_index.new_zeros(self.x.size(0)) if self.batch is None else self.batch


def read_graphs(batch: Any, edge_index: Any, in_channels: int, weight: Tensor | None = None) -> GraphInput:
    """Read embedding, edges and membership from a Batch or a single Data.

    Args:
        batch: PyG Batch or Data with ``x`` and, unless ``edge_index`` is given, ``edge_index`` or ``adj_t``.
        edge_index: Edges to use instead of the batch's own; whatever :func:`pyg_gears.graphs.checked_edges` takes.
        in_channels: Channels that ``x`` must have.
        weight: A parameter of the model, whose float type ``x`` must have; any if omitted.

    Raises:
        InputError: when the batch is heterogeneous, when the embedding is missing, of another width or of another type,
            when it holds NaN or infinity (looked at on the CPU only), or when edges or membership are missing or none of this
            graph's.
    """
    expect(
        not isinstance(batch, HeteroData),
        f"expected a Data or a Batch of one set of nodes, found {type(batch).__name__}; join them with to_homogeneous().",
    )
    x = getattr(batch, "x", None)
    expect(
        isinstance(x, Tensor) and x.dim() == 2 and x.size(1) == in_channels,
        f"expected an embedding x of shape (n, {in_channels}), found "
        f"{tuple(x.shape) if isinstance(x, Tensor) else 'none'}; use the encoder that the model was built for.",
    )
    for name in ("edge_index", "adj_t"):
        edge_index = getattr(batch, name, None) if edge_index is None else edge_index
    expect(
        edge_index is not None,
        "expected candidate edges in batch.edge_index, found none; apply transforms.CandidateGraph first.",
    )
    x = checked_nodes(x, in_channels, weight)
    if values_are_known(x) and not all_finite(x):
        bad = int((~x.isfinite()).any(dim=1).sum())
        raise InputError(
            f"expected a finite embedding x, found NaN or infinity in {bad} of {len(x)} nodes; drop these nodes."
        )
    membership = checked_batch(getattr(batch, "batch", None), x.size(0))
    num_graphs = None if membership is None else getattr(batch, "num_graphs", None)
    return GraphInput(x=x, edge_index=checked_edges(edge_index, x.size(0)), batch=membership, num_graphs=num_graphs)
