"""Inference: patches of cells are predicted, vote on distances, and one layout is solved from what they agree on."""

from __future__ import annotations

from pyg_gears.layout.confidence import ConfidenceCalibration, neighborhood_quality, row_spearman
from pyg_gears.layout.consensus import ConsensusOutput, consensus_layout
from pyg_gears.layout.fill import fill_evenly
from pyg_gears.layout.locality import LocalityOutput, locality_graph
from pyg_gears.layout.patches import PatchesOutput, draw_patches
from pyg_gears.layout.patchwise import PatchwiseOutput, patchwise_layout, stitch_patches
from pyg_gears.layout.predict import PredictionOutput, predict_patches
from pyg_gears.layout.query import QueryEmbedding, adapt_query
from pyg_gears.layout.reconstruct import LayoutOutput, reconstruct_layout
from pyg_gears.layout.scales import group_factor, synchronize_scales
from pyg_gears.layout.settings import InferenceSettings
from pyg_gears.layout.solve import SolveOutput, isomap_start, solve_layout
from pyg_gears.layout.spread import cell_spread, neighbor_scatter, vote_disagreement, voter_disagreement
from pyg_gears.layout.stitch import StitchOutput, stitch_votes, weighted_median
from pyg_gears.layout.support import TrainingSupport
from pyg_gears.layout.votes import VotesOutput, collect_votes

__all__ = [
    "ConfidenceCalibration",
    "ConsensusOutput",
    "InferenceSettings",
    "LayoutOutput",
    "LocalityOutput",
    "PatchesOutput",
    "PatchwiseOutput",
    "PredictionOutput",
    "QueryEmbedding",
    "SolveOutput",
    "StitchOutput",
    "TrainingSupport",
    "VotesOutput",
    "adapt_query",
    "cell_spread",
    "collect_votes",
    "consensus_layout",
    "draw_patches",
    "fill_evenly",
    "group_factor",
    "isomap_start",
    "locality_graph",
    "neighbor_scatter",
    "neighborhood_quality",
    "patchwise_layout",
    "predict_patches",
    "reconstruct_layout",
    "row_spearman",
    "solve_layout",
    "stitch_patches",
    "stitch_votes",
    "synchronize_scales",
    "vote_disagreement",
    "voter_disagreement",
    "weighted_median",
]
