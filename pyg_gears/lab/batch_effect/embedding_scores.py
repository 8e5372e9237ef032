"""The numbers of a batch effect: how far slides differ in an embedding, and what of the tissue it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.neighbor_agreement import NeighborAgreement, neighbor_agreement
from pyg_gears.errors import expect
from pyg_gears.lab.batch_effect.neighbor_mixing import NeighborMixing, neighbor_mixing
from pyg_gears.lab.batch_effect.slide_probe import ClusterProbeOutput, ProbeOutput, slide_probe, within_cluster_probe
from pyg_gears.typing import IntArray

CLUSTERS = 8
TOP_GENES = 20


class EmbeddingScores(NamedTuple):
    """How far slides differ in one embedding of all of them.

    Attributes:
        probe: Linear slide probe. Blind to all but the slides' means: it is at or below chance for whatever is centred.
        probe_squares: The same on the channels and their squares, which sees that slides spread differently.
        within_cluster: The same inside clusters of like spots.
        mixing: Mixing of the slides among nearest neighbours, which also sees differences that no line separates.
        norms: Mean length of the embedding on each slide, in the order of the slides.
        norm_ratio: Largest of the norms over the smallest, at least 1.
        agreement: Agreement with the tissue's neighbourhoods on each slide.
    """

    probe: ProbeOutput
    probe_squares: ProbeOutput
    within_cluster: ClusterProbeOutput
    mixing: NeighborMixing
    norms: tuple[float, ...]
    norm_ratio: float
    agreement: tuple[NeighborAgreement, ...]


def embedding_scores(
    xs: Sequence[Float[Tensor, "n c"]], slides: Sequence[Slide], clusters: IntArray, *, seed: int = 0
) -> EmbeddingScores:
    """Compare slides in one embedding.

    Args:
        xs: Embedding of each slide, shape (n, c) each.
        slides: The slides, with positions; two or more.
        clusters: Cluster of each spot, all slides one after the other.
        seed: Seed of folds and shuffles.

    Returns:
        The scores.

    Raises:
        InputError: unless there are two or more slides with positions and one embedding of each.
    """
    expect(
        len(xs) == len(slides) >= 2 and all(slide.pos is not None for slide in slides),
        f"embedding_scores expected two or more slides with positions and an embedding of each, found {len(slides)} and "
        f"{len(xs)}; pass them all.",
    )
    labels = slide_labels(slides)
    pooled = torch.cat(list(xs))
    values = pooled.numpy()
    norms = tuple(float(x.norm(dim=1).mean()) for x in xs)
    return EmbeddingScores(
        slide_probe(values, labels, seed=seed),
        slide_probe(np.concatenate([values, values**2], axis=1), labels, seed=seed),
        within_cluster_probe(values, labels, clusters, seed=seed),
        neighbor_mixing(pooled, labels, seed=seed),
        norms,
        max(norms) / max(min(norms), 1e-12),
        tuple(neighbor_agreement(x, torch.tensor(slide.pos)) for x, slide in zip(xs, slides, strict=True)),
    )


def slide_labels(slides: Sequence[Slide]) -> IntArray:
    """Number of the slide of each spot, all slides one after the other."""
    return np.repeat(np.arange(len(slides)), [len(slide) for slide in slides])


def like_spots(xs: Sequence[Float[Tensor, "n c"]], *, clusters: int = CLUSTERS, seed: int = 0) -> IntArray:
    """Clusters of spots over all slides by k-means on a joint embedding, one number a spot.

    Args:
        xs: Embedding of each slide; one that mixes slides, else the clusters are the slides.
        clusters: Number of clusters, at most that of spots.
        seed: Seed of k-means.
    """
    from sklearn.cluster import KMeans

    pooled = torch.cat(list(xs)).double().numpy()
    count = min(clusters, len(pooled))
    return np.asarray(KMeans(count, n_init=4, random_state=seed).fit_predict(pooled))


def qc_features(slide: Slide) -> Float[np.ndarray, "n 4"]:
    """What quality control sees of a spot.

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
