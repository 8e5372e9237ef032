"""Layouts: patches of cells are predicted, vote on distances, and one layout is solved from the stitched distances."""

from __future__ import annotations

from pyg_gears.layout.confidence import ConfidenceCalibration, row_spearman
from pyg_gears.layout.consensus import ConsensusOutput, consensus_layout
from pyg_gears.layout.fill import fill_evenly
from pyg_gears.layout.locality import LocalityOutput, locality_graph
from pyg_gears.layout.patch_predictor import PatchPredictor, PredictionOutput
from pyg_gears.layout.patches import PatchesOutput, draw_patches
from pyg_gears.layout.patchwise import PatchwiseOutput, patchwise_layout, stitch_patches
from pyg_gears.layout.query import QueryEmbedding, adapt_query
from pyg_gears.layout.reconstruct import LayoutOutput, reconstruct_layout
from pyg_gears.layout.scales import group_factor, synchronize_scales
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.layout.solve import SolveOutput, isomap_start, solve_layout
from pyg_gears.layout.stitch import StitchOutput, stitch_votes
from pyg_gears.layout.support import TrainingSupport
from pyg_gears.layout.unplaced import with_unplaced
from pyg_gears.layout.votes import VotesOutput, collect_votes
from pyg_gears.layout.weighted_median import weighted_median

__all__ = [
    "ConfidenceCalibration",
    "ConsensusOutput",
    "LayoutOutput",
    "LayoutSettings",
    "LocalityOutput",
    "PatchPredictor",
    "PatchesOutput",
    "PatchwiseOutput",
    "PredictionOutput",
    "QueryEmbedding",
    "SolveOutput",
    "StitchOutput",
    "TrainingSupport",
    "VotesOutput",
    "adapt_query",
    "collect_votes",
    "consensus_layout",
    "draw_patches",
    "fill_evenly",
    "group_factor",
    "isomap_start",
    "locality_graph",
    "patchwise_layout",
    "reconstruct_layout",
    "row_spearman",
    "solve_layout",
    "stitch_patches",
    "stitch_votes",
    "synchronize_scales",
    "weighted_median",
    "with_unplaced",
]
