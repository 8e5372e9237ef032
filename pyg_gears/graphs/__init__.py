"""Candidate graphs: embeddings in, ``edge_index`` out. Pure functions: same embedding, same graph, bit for bit."""

from __future__ import annotations

from pyg_gears.graphs.candidates import candidate_graph
from pyg_gears.graphs.jaccard import jaccard
from pyg_gears.graphs.knn import NeighborsOutput, knn
from pyg_gears.graphs.mutual import mutual
from pyg_gears.graphs.segment_softmax import segment_log_softmax, segment_softmax

__all__ = ["NeighborsOutput", "candidate_graph", "jaccard", "knn", "mutual", "segment_log_softmax", "segment_softmax"]
