"""Clusters of like spots over all slides, inside which slides can be compared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.typing import IntArray

CLUSTERS = 8


def slide_clusters(xs: Sequence[Float[Tensor, "n c"]], *, clusters: int = CLUSTERS, seed: int = 0) -> IntArray:
    """Clusters of spots over all slides by k-means on a joint embedding, one number per spot.

    Args:
        xs: Embedding of each slide; one that mixes slides, else the clusters are the slides.
        clusters: Number of clusters, at most that of spots.
        seed: Seed of k-means.
    """
    from sklearn.cluster import KMeans

    pooled = torch.cat(list(xs)).double().numpy()
    count = min(clusters, len(pooled))
    return np.asarray(KMeans(count, n_init=4, random_state=seed).fit_predict(pooled))
