"""What a run can choose about the candidate graph."""

from __future__ import annotations

from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.typing import Metric


class GraphRecipe(Configuration):
    """The candidate graph, at training and at inference."""

    k: int = Field(default=40, ge=1)
    """Nearest neighbours in H per node, before symmetrising. Recall of true neighbours 0.83 and 0.94 at 60 and 100 on an
    unseen hippocampus section; published 0.91, 0.95, 0.97 at 60, 80, 100. With 40 the gate reads half the pairs, and layouts of
    13 unseen sections and cells are as good (Spearman -0.014 to +0.018, mean 0.000; Trust@20 -0.002; quick, seed 0)."""
    metric: Metric = "cosine"
    """"cosine" or "euclidean"."""
    mutual: bool = False
    """Keep only pairs that are each among the other's k nearest. Not measured."""
    jaccard: float = Field(default=0.0, ge=0, le=1)
    """Least Jaccard overlap of the two lists of neighbours, 0..1; 0 keeps every pair. Not measured."""
    projection: int = Field(default=0, ge=0)
    """Channels of a linear map, learned on the training slides, in which candidates are searched; 0 searches in H itself
    (a map of 32 channels lowers the recall from 0.94 to 0.92)."""
