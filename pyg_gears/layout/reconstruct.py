"""The whole way from embeddings to one layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.errors import expect
from pyg_gears.geometry import principal_frame
from pyg_gears.layout.consensus import consensus_layout
from pyg_gears.layout.fill import fill_evenly
from pyg_gears.layout.memory import BLOCK
from pyg_gears.layout.neighbor_refinement import refine_neighbors
from pyg_gears.layout.patch_predictor import Model, PatchPredictor, WeightedLayout
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.layout.patchwise import patchwise_layout
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.layout.symmetric_graph import symmetric_graph
from pyg_gears.layout.votes import TINY, pair_lengths, propose_pairs
from pyg_gears.seeds import child_seed
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import FilePath


@dataclass(frozen=True)
class LayoutOutput:
    """A layout of all cells."""

    pos: Float[np.ndarray, "n 2"]
    """Coordinates, float64, centred, root mean square radius 1, longest axis first, skewness of each axis positive."""
    distances: csr_array
    """Predicted distances on a sparse symmetric graph, (n, n), in the unit of ``pos``."""
    report: dict[str, Any]
    """Counts and residuals, plain numbers and strings."""


def reconstruct_layout(
    models: Model | Sequence[Model],
    x: Float[torch.Tensor, "n c"],
    *,
    candidates: CandidateGraph,
    settings: LayoutSettings | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    shard_dir: FilePath | None = None,
    progress: bool = True,
    regressions: Sequence[WeightedLayout] = (),
    own: Float[torch.Tensor, "n d"] | None = None,
    confidence: float = 1.0,
    block: int = BLOCK,
) -> LayoutOutput:
    """Reconstruct the layout of cells from their embedding.

    A query of at most one patch is predicted whole: the voters' distances are averaged and solved once. More cells are
    predicted in overlapping patches, which vote on distances; see :func:`patchwise_layout`. A voter is one model with one
    sample of the noise, or a layout by regression. At the end near neighbours are refined and the area
    is filled; see :func:`refine_neighbors` and :func:`fill_evenly`.

    Args:
        models: One structure model or an ensemble (called as ``model(batch)``, and with ``noise`` and ``generator`` for
            samples).
        x: Embedding, shape (n, c), n at least 2, finite.
        candidates: The candidate graph that the models were trained on; its metric also decides which cells share a patch.
        settings: See :class:`LayoutSettings`; the defaults if omitted.
        seed: Same seed, same layout, whatever the batch, the shards and (up to rounding) the device.
        device: Where the models run.
        shard_dir: Folder for finished shards of predictions, from which a killed run goes on.
        progress: Show a bar on stderr when that is a terminal.
        regressions: Layouts of the same cells by other means, whose distances are averaged with those of the models.
        own: What else of the cells' expression decides on near neighbours, shape (n, d), see :func:`own_components`; the
            embedding alone if omitted.
        confidence: Mean confidence of the cells, in [0, 1]: the lower, the more their own expression decides on near neighbours.
            1 for cells of the same mixture as the training spots, see :attr:`~pyg_gears.encoders.DomainGap.near`.
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        Layout, sparse distances and report.

    Raises:
        InputError: for fewer than 2 cells, an embedding or a prediction that is not finite, or without a model.
    """
    x = torch.as_tensor(x).detach().to("cpu", torch.float32)
    expect(
        x.dim() == 2 and len(x) >= 2,
        f"expected an embedding of at least 2 cells by channels, found shape {tuple(x.shape)}; add cells.",
    )
    bad = int((~torch.isfinite(x)).any(dim=1).sum())
    expect(bad == 0, f"expected a finite embedding, found {bad} cells with NaN or infinity; drop or repair them.")
    voters = (models,) if callable(models) else tuple(models)
    settings = settings or LayoutSettings()
    predictor = PatchPredictor(voters, candidates, settings, seed, device, shard_dir, progress, regressions)
    expression = (x,) if own is None else (x, own)
    if len(x) <= settings.patch_size:
        return _whole(predictor, x, expression, confidence)
    found = patchwise_layout(predictor, x, block)
    pos, pairs, distance, report = found.solved.pos, found.stitched.pairs, found.stitched.distance, found.report
    del found  # the refinement needs the room
    return _finish(pos, pairs, distance, expression, confidence, settings, report)


def _whole(
    predictor: PatchPredictor,
    x: Float[torch.Tensor, "n c"],
    expression: Sequence[Float[torch.Tensor, "n _"]],
    confidence: float,
) -> LayoutOutput:
    """All cells as one patch."""
    n, settings = len(x), predictor.settings
    patch = PatchesOutput(np.arange(n), np.array([0, n]), np.array([False]), n)
    pos, weights = predictor.predict(x, patch).pos, predictor.weights
    agreed = consensus_layout(pos, settings.iterations, weights)
    rng = np.random.default_rng(child_seed(predictor.seed, "pairs", 0))
    pairs = np.unique(np.sort(propose_pairs(pos, weights, settings.neighbors, settings.landmarks, rng), axis=0), axis=1)
    distance = agreed.distance[pairs[0], pairs[1]]
    residual = np.abs(pair_lengths(agreed.pos[None], *pairs)[0] - distance)
    report = {
        "mode": "whole",
        "cells": n,
        "voters": len(pos),
        "stress": agreed.stress,
        "residual_mean": float(residual.mean()),
        "residual_median": float(np.median(residual)),
        "residual_max": float(residual.max()),
    }
    if len(pos) > 1:
        ratio = np.maximum(pair_lengths(pos, *pairs), TINY) / np.maximum(distance, TINY)
        report["voter_disagreement"] = float((weights @ np.abs(np.log(ratio))).mean())
    return _finish(agreed.pos, pairs, distance, expression, confidence, settings, report)


def _finish(
    pos: Float[np.ndarray, "n 2"],
    pairs: Int[np.ndarray, "2 e"],
    distance: Float[np.ndarray, " e"],
    expression: Sequence[Float[torch.Tensor, "n _"]],
    confidence: float,
    settings: LayoutSettings,
    report: dict[str, Any],
) -> LayoutOutput:
    """Refine neighbours, fill, fix gauge and pose, and bring the distances to the same unit."""
    n = len(pos)
    radius = float(np.sqrt(((pos - pos.mean(axis=0)) ** 2).sum(axis=1).mean()))
    unit = 1.0 / radius if radius > 1e-6 else 1.0
    start = pos * unit
    refined = refine_neighbors(
        start, expression, rounds=settings.refinement_rounds, pull=settings.refinement_pull, confidence=confidence
    )
    moved = float(np.sqrt(((refined - start) ** 2).sum(axis=1).mean()))
    # Filled last: a neighbour embedding opens gaps between regions that tissue does not have.
    filled = fill_evenly(refined, settings.fill)
    posed = principal_frame(torch.from_numpy(np.ascontiguousarray(filled, dtype=np.float64))).numpy()
    report = {key: value * unit if key.startswith("residual_") else value for key, value in report.items()}
    matrix = symmetric_graph(n, pairs, distance * unit)
    return LayoutOutput(posed, matrix, report | {"fill": settings.fill, "refinement_moved": moved})
