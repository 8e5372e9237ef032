"""Quality-control figures of spots."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pyg_gears.data.slide import Slide

TOP_GENES = 20


def qc_features(slide: Slide) -> Float[np.ndarray, "n 4"]:
    """Four quality-control figures of every spot.

    Columns: log1p total count, log1p number of genes detected, share of counts in the spot's 20 most expressed genes, share
    of counts in mitochondrial genes (names that begin with mt- or MT-; zero where none is measured).
    """
    counts = slide.counts
    total = np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1)
    detected = np.diff(counts.indptr)
    top = np.zeros(len(slide))
    for i, (start, end) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
        top[i] = np.sort(counts.data[start:end])[-TOP_GENES:].sum(dtype=np.float64)
    mitochondrial = [i for i, gene in enumerate(slide.genes) if gene.lower().startswith("mt-")]
    share = np.asarray(counts[:, mitochondrial].sum(axis=1), dtype=np.float64).reshape(-1)
    safe = np.maximum(total, 1e-12)
    return np.stack([np.log1p(total), np.log1p(detected), top / safe, share / safe], axis=1)
