"""The whole way from embeddings to one layout with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.errors import expect
from pyg_gears.geometry import principal_frame
from pyg_gears.graphs import knn
from pyg_gears.layout.consensus import consensus_layout
from pyg_gears.layout.fill import fill_evenly
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.layout.patchwise import patchwise_layout
from pyg_gears.layout.predict import Model, predict_patches
from pyg_gears.layout.settings import InferenceSettings
from pyg_gears.layout.spread import cell_spread, neighbor_scatter, voter_disagreement
from pyg_gears.layout.votes import TINY, propose_pairs
from pyg_gears.typing import FilePath


@dataclass(frozen=True)
class LayoutOutput:
    """A layout of all cells."""

    pos: Float[np.ndarray, "n 2"]
    """Coordinates, float64, centred, root mean square radius 1, longest axis first, skewness of each axis positive."""
    spread: Float[np.ndarray, " n"]
    """Raw uncertainty of each cell: the geometric mean of the next two. Comparable within one way of predicting (whole or
    patches) and one choice of voters; ``Gears`` takes :class:`TrainingSupport` for its confidence instead."""
    disagreement: Float[np.ndarray, " n"]
    """Mean of |d - D| / (d + D) between a voter's distance d and the layout's D, in [0, 1)."""
    scatter: Float[np.ndarray, " n"]
    """Median distance in the layout to the nearest neighbours in the embedding, in root mean square radii."""
    distances: csr_array
    """Predicted distances on a sparse symmetric graph, (n, n), in the unit of ``pos``."""
    weights: csr_array
    """Confidence of each of them in (0, 1), same pattern."""
    report: dict[str, Any]
    """Counts and residuals, plain numbers and strings."""


def reconstruct_layout(
    models: Model | Sequence[Model],
    x: Float[torch.Tensor, "n c"],
    settings: InferenceSettings | None = None,
    seed: int = 0,
    shard_dir: FilePath | None = None,
    progress: bool = True,
    device: str | torch.device = "cpu",
) -> LayoutOutput:
    """Reconstruct the layout of cells from their embedding.

    Up to ``settings.whole_below`` cells (or one patch) are predicted whole: the voters' distances are averaged and
    solved once. More cells are predicted in overlapping patches, which vote on distances; see :func:`patchwise_layout`.
    A voter is one model with one sample of the noise; where there is only one, a second, noisy prediction is made for
    the spread alone.

    Args:
        models: One structure model or an ensemble (called as ``model(batch)``, and with ``noise`` and ``generator`` for
            samples).
        x: Embedding, shape (n, c), n at least 2, finite.
        settings: See :class:`InferenceSettings`; the defaults if omitted.
        seed: Same seed, same layout.
        shard_dir: Folder for finished shards of predictions, from which a killed run goes on.
        progress: Show a bar on stderr when that is a terminal.
        device: Where the models run.

    Returns:
        Layout, spread, sparse distances and report.

    Raises:
        InputError: For fewer than 2 cells or an embedding that is not finite.
    """
    settings = settings or InferenceSettings()
    x = torch.as_tensor(x).detach().to("cpu", torch.float32)
    expect(
        x.dim() == 2 and len(x) >= 2,
        f"expected an embedding of at least 2 cells by channels, found shape {tuple(x.shape)}; add cells",
    )
    bad = int((~torch.isfinite(x)).any(dim=1).sum())
    expect(bad == 0, f"expected a finite embedding, found {bad} cells with NaN or infinity; drop or repair them")
    count = 1 if callable(models) else len(models)
    if len(x) <= max(settings.whole_below, settings.patch_size):
        result = _whole(models, x, settings, count, seed, shard_dir, progress, device)
    else:
        result = _patchwise(models, x, settings, seed, shard_dir, progress, device)
    return result


def _whole(
    models: Model | Sequence[Model],
    x: Float[torch.Tensor, "n c"],
    settings: InferenceSettings,
    count: int,
    seed: int,
    shard_dir: FilePath | None,
    progress: bool,
    device: str | torch.device,
) -> LayoutOutput:
    n = len(x)
    patches = PatchesOutput(np.arange(n), np.array([0, n]), np.array([False]), n)
    witness = count * settings.samples == 1
    asked = replace(settings, samples=2) if witness else settings
    pos = predict_patches(models, x, patches, asked, seed, shard_dir, progress, device).pos
    agreed = consensus_layout(pos[:1] if witness else pos, settings.iterations)
    disagreement = voter_disagreement(pos, agreed.pos)
    index = knn(x, min(settings.locality_neighbors, n - 1), metric=settings.metric).index.numpy()
    a, b = propose_pairs(pos, settings.neighbors, settings.landmarks, [seed, 0])
    pairs = np.unique(np.sort(np.stack([a, b]), axis=0), axis=1)
    distance = agreed.distance[pairs[0], pairs[1]]
    gap = pos[:, pairs[0]] - pos[:, pairs[1]]
    dispersion = np.abs(np.log(np.maximum(np.hypot(gap[..., 0], gap[..., 1]), TINY) / np.maximum(distance, TINY))).mean(
        axis=0
    )
    typical = float(np.median(dispersion)) or 1.0
    confidence = (1 - 0.5 ** len(pos)) * np.exp(-np.minimum(dispersion / typical, 30.0))
    residual = np.abs(np.hypot(*(agreed.pos[pairs[0]] - agreed.pos[pairs[1]]).T) - distance)
    report = {
        "mode": "whole",
        "cells": n,
        "voters": len(pos) - int(witness),
        "stress": agreed.stress,
        "residual_mean": float(residual.mean()),
        "residual_median": float(np.median(residual)),
        "residual_max": float(residual.max()),
        "overlap_disagreement": float(dispersion.mean()),
    }
    return _finish(agreed.pos, disagreement, index, pairs, distance, confidence, settings, report)


def _patchwise(
    models: Model | Sequence[Model],
    x: Float[torch.Tensor, "n c"],
    settings: InferenceSettings,
    seed: int,
    shard_dir: FilePath | None,
    progress: bool,
    device: str | torch.device,
) -> LayoutOutput:
    found = patchwise_layout(models, x, settings, seed, shard_dir, progress, device)
    assert found.locality is not None
    return _finish(
        found.solved.pos,
        found.disagreement,
        found.locality.neighbors,
        found.stitched.pairs,
        found.stitched.distance,
        found.stitched.confidence,
        settings,
        found.report,
    )


def _finish(
    pos: Float[np.ndarray, "n 2"],
    disagreement: Float[np.ndarray, " n"],
    neighbors: Int[np.ndarray, "n k"],
    pairs: Int[np.ndarray, "2 e"],
    distance: Float[np.ndarray, " e"],
    confidence: Float[np.ndarray, " e"],
    settings: InferenceSettings,
    report: dict[str, Any],
) -> LayoutOutput:
    """Fill, fix gauge and pose, and bring the distances to the same unit."""
    n = len(pos)
    radius = float(np.sqrt(((pos - pos.mean(axis=0)) ** 2).sum(axis=1).mean()))
    unit = 1.0 / radius if radius > 1e-6 else 1.0
    filled = fill_evenly(pos * unit, settings.fill)
    posed = principal_frame(torch.from_numpy(np.ascontiguousarray(filled, dtype=np.float64))).numpy()
    report = {key: value * unit if key.startswith("residual_") else value for key, value in report.items()}
    report["fill"] = settings.fill
    scatter = neighbor_scatter(pos, neighbors)
    return LayoutOutput(
        pos=posed,
        spread=cell_spread(disagreement, scatter),
        disagreement=disagreement,
        scatter=scatter,
        distances=_symmetric(n, pairs, distance * unit),
        weights=_symmetric(n, pairs, confidence),
        report=report,
    )


def _symmetric(n: int, pairs: Int[np.ndarray, "2 e"], value: Float[np.ndarray, " e"]) -> csr_array:
    """Both directions of every pair; a zero stays an entry."""
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    matrix = csr_array((np.tile(value, 2), (both[0], both[1])), shape=(n, n))
    matrix.sort_indices()
    return matrix
