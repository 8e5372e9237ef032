"""Patchwise, distance-first: patches vote on distances, and one layout is solved from what they agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from pyg_gears.layout.connectivity import parts
from pyg_gears.layout.locality import locality_graph
from pyg_gears.layout.memory import BLOCK
from pyg_gears.layout.pair_certainty import PairCertainty
from pyg_gears.layout.patch_predictor import PatchPredictor
from pyg_gears.layout.patches import PatchesOutput, draw_patches
from pyg_gears.layout.scales import group_factor, synchronize_scales
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.layout.solve import SolveOutput, solve_layout
from pyg_gears.layout.stitch import StitchOutput, stitch_votes
from pyg_gears.layout.votes import collect_votes


@dataclass(frozen=True)
class PatchwiseOutput:
    """The solved layout and the distances it came from, in the unit of the global patches."""

    solved: SolveOutput
    stitched: StitchOutput
    report: dict[str, Any]


def patchwise_layout(predictor: PatchPredictor, x: Float[torch.Tensor, "n c"], block: int = BLOCK) -> PatchwiseOutput:
    """From embeddings to the solved layout by patches.

    Args:
        predictor: Models, settings and seed.
        x: Embedding of all cells, shape (n, c), n at least 2.
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        Layout, stitched distances and report.
    """
    settings, seed = predictor.settings, predictor.seed
    locality = locality_graph(
        x, settings.locality_neighbors, settings.jaccard, predictor.candidates.metric, settings.shared_neighbors
    )
    patches = draw_patches(
        locality.graph, settings.patch_size, settings.min_cover, settings.shared_cells, settings.global_share, seed
    )
    predicted = predictor.predict(x, patches)
    certainty = predicted.certainty if len(predicted.certainty.pair) else None
    found = stitch_patches(patches, predicted.pos, settings, seed, predictor.weights, certainty, block)
    counts = {
        "isolated_cells": locality.isolated,
        "locality_components": locality.components,
        "locality_links": locality.links,
        "locality_bridges": locality.bridges,
    }
    return replace(found, report=found.report | counts)


def stitch_patches(
    patches: PatchesOutput,
    pos: Float[np.ndarray, "v total 2"],
    settings: LayoutSettings,
    seed: int = 0,
    weights: Float[np.ndarray, " v"] | None = None,
    certainty: PairCertainty | None = None,
    block: int = BLOCK,
) -> PatchwiseOutput:
    """From predicted patches to the layout.

    Args:
        patches: The patches.
        pos: Their coordinates, each patch in its own pose (and unit, unless ``scales`` is "model"), shape (voters, total, 2).
        settings: ``neighbors``, ``landmarks``, ``scales``, ``min_support``, ``max_dispersion``, ``spread``, ``huber``,
            ``iterations``, ``anchor`` and ``anchor_fade`` are used.
        seed: Chooses the longer distances.
        weights: Weights of the voters, shape (voters,), with sum 1; equal ones if omitted.
        certainty: How sure the models are of the distances, by which the votes are weighed; all alike if omitted.
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        Layout, stitched distances and report.
    """
    n, wide = patches.n, patches.is_global
    votes = collect_votes(patches, pos, settings.neighbors, settings.landmarks, seed, weights, certainty)
    # Global patches that are not connected cannot be a group of their own: then all patches are one.
    joint = bool(wide.any() and not wide.all() and _connected(patches, wide))
    wide = wide if joint or wide.all() else np.zeros(len(patches), dtype=bool)
    reconciled = settings.scales == "reconciled"
    scale = synchronize_scales(votes, wide, block) if reconciled else np.zeros(len(patches))
    limits = (settings.max_dispersion, settings.spread, block)
    start = None
    if joint:
        # The long-range distances alone give a coarse layout, which fixes the unit of the local patches and starts the solve.
        start = _solved(
            n, stitch_votes(n, votes.among(wide), scale, wide, 1, *limits), None, settings, settings.iterations // 2
        ).pos
        if reconciled:
            scale = np.where(wide, scale, scale + group_factor(patches, pos, scale, start, weights))
    stitched = stitch_votes(n, votes, scale, wide, settings.min_support, *limits)
    del votes  # the solve needs the room
    solved = _solved(n, stitched, start, settings, settings.iterations)
    cover = np.bincount(patches.cells, minlength=n)
    report: dict[str, Any] = {
        "mode": "patches",
        "cells": n,
        "voters": len(pos),
        "patches": len(patches),
        "global_patches": int(patches.is_global.sum()),
        "cover_min": int(cover.min()),
        "cover_mean": float(cover.mean()),
        "pairs": stitched.pairs.shape[1],
        "pairs_dropped": stitched.dropped,
        "overlap_disagreement": stitched.disagreement,
        "reliability_median": float(np.median(stitched.reliability)),
        "reliability_min": float(stitched.reliability.min()),
        **solved.report(stitched.weight, stitched.distance),
    }
    return PatchwiseOutput(solved, stitched, report)


def _solved(
    n: int,
    stitched: StitchOutput,
    start: Float[np.ndarray, "n 2"] | None,
    settings: LayoutSettings,
    iterations: int,
) -> SolveOutput:
    return solve_layout(
        n,
        stitched.pairs,
        stitched.distance,
        stitched.weight,
        start,
        iterations,
        settings.anchor,
        settings.huber,
        settings.anchor_fade,
    )


def _connected(patches: PatchesOutput, chosen: Bool[np.ndarray, " p"]) -> bool:
    """Whether the chosen patches are linked through the cells that they share."""
    entries = np.repeat(chosen, np.diff(patches.ptr))
    number = patches.n + np.repeat(np.arange(len(patches)), np.diff(patches.ptr))
    label = parts(patches.n + len(patches), np.stack([patches.cells, number])[:, entries])
    return len(np.unique(label[patches.n :][chosen])) == 1
