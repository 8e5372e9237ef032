"""A candidate graph without information: that of the embedding, with the nodes changed about."""

from __future__ import annotations

from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.graphs.each_graph import each_graph
from pyg_gears.transforms import CandidateGraph


class RandomCandidates(CandidateGraph):
    r"""The candidates that the embedding would give if its rows were shuffled.

    .. math::
        E' = \{(i, j) : (\pi(i), \pi(j)) \in E(H)\}

    with one random permutation :math:`\pi` of each graph's nodes: as many edges, the same sequence of degrees, the same clusters,
    symmetric, and no relation to the embedding of the nodes that it joins. The permutation follows from the embedding: the same
    graph gets the same candidates, in training and at inference.
    """

    @classmethod
    def like(cls, candidates: CandidateGraph) -> Self:
        """Random candidates in the number and kind of the given ones."""
        return cls(**candidates.choices, gate_target=candidates.gate_target)

    def forward(self, data: Data) -> Data:
        """Return the graph, or every graph of a Batch, with random ``edge_index`` (and ``gate_target`` where it can be known)."""
        found = super().forward

        def of_one(graph: Data) -> Data:
            if graph.x is None:
                return found(graph)
            x = graph.x
            # The parent searches in the rows as it finds them; the edges then belong to the nodes in their own order.
            graph.x = _shuffled(x)
            graph = found(graph)
            graph.x = x
            return graph

        return each_graph(data, of_one)

    def batch_edges(self, batch: Batch) -> Int[Tensor, "2 e"]:
        """Random candidates of every graph of a batch."""
        other = batch.clone()
        other.x = torch.cat([_shuffled(batch.x[batch.batch == graph]) for graph in range(batch.num_graphs)])
        return super().batch_edges(other)

    def __repr__(self) -> str:
        return super().__repr__().replace("CandidateGraph", "RandomCandidates", 1)


def _shuffled(x: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    generator = torch.Generator().manual_seed(int(fingerprint(x.cpu().numpy())[:8], 16))
    return x[torch.randperm(len(x), generator=generator).to(x.device)]
