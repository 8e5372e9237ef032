"""Quality-control figures of spots."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from pyg_gears.data.slide import Slide

TOP_GENES = 20
MARKED = (("MT-",), ("RPS", "RPL"), ("HBA", "HBB"))
"""How the names of genes of mitochondria, ribosomes and haemoglobin begin."""


def qc_features(slide: Slide) -> Float[np.ndarray, "n 7"]:
    """Seven quality-control figures of every spot.

    Columns: log1p total count, log1p number of genes detected, share of counts in the spot's 20 most expressed genes, share
    of counts in genes of mitochondria (names that begin with MT-), ribosomes (RPS, RPL) and haemoglobin (HBA, HBB), in capitals
    or not; zero where none is measured; and genes detected over counts, both as log1p.
    """
    counts = slide.counts
    total = np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1)
    detected = np.diff(counts.indptr)
    top = np.zeros(len(slide))
    for i, (start, end) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
        top[i] = np.sort(counts.data[start:end])[-TOP_GENES:].sum(dtype=np.float64)
    shares = []
    safe = np.maximum(total, 1e-12)
    for starts in MARKED:
        columns = [i for i, gene in enumerate(slide.genes) if gene.upper().startswith(starts)]
        shares.append(np.asarray(counts[:, columns].sum(axis=1), dtype=np.float64).reshape(-1) / safe)
    complexity = np.log1p(detected) / np.maximum(np.log1p(total), 1e-12)
    return np.stack([np.log1p(total), np.log1p(detected), top / safe, *shares, complexity], axis=1)
