"""The neighbour graph of a slide, over which Moran's I of genes and embeddings is taken."""

from __future__ import annotations

import torch
from scipy.sparse import csr_array

from pyg_gears.data.slide import Slide
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import neighbors_csr

NEIGHBORS = 15


def slide_graph(slide: Slide) -> csr_array:
    """Weight 1 from every spot to its 15 nearest spots, shape (n, n)."""
    assert slide.pos is not None
    return neighbors_csr(nearest_neighbors(torch.tensor(slide.pos, dtype=torch.float64), NEIGHBORS).index)
