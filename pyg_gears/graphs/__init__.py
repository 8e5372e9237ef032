"""Graphs: candidates from embeddings, look-ups, and sums over edges. Pure functions: same input, same graph, bit for bit."""

from __future__ import annotations

from pyg_gears.graphs.candidates import candidate_graph
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.graphs.edge_lookup import EdgeLookupOutput, edge_lookup
from pyg_gears.graphs.jaccard import jaccard
from pyg_gears.graphs.knn import NeighborsOutput, knn
from pyg_gears.graphs.morans_i import morans_i
from pyg_gears.graphs.mutual import mutual
from pyg_gears.graphs.neighbors_csr import neighbors_csr, symmetric_csr
from pyg_gears.graphs.segment_softmax import segment_log_softmax, segment_softmax

__all__ = [
    "EdgeLookupOutput",
    "NeighborsOutput",
    "candidate_graph",
    "checked_edges",
    "edge_lookup",
    "jaccard",
    "knn",
    "morans_i",
    "mutual",
    "neighbors_csr",
    "segment_log_softmax",
    "segment_softmax",
    "symmetric_csr",
]
