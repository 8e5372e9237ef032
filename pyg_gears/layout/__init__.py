"""Layouts: patches of cells are predicted, vote on distances, and one layout is solved from the stitched distances.

Names are loaded when first used: settings are checked before torch is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.layout.agreement import weigh_by_agreement
    from pyg_gears.layout.confidence import ConfidenceCalibration, row_spearman
    from pyg_gears.layout.consensus import ConsensusOutput, consensus_layout
    from pyg_gears.layout.dask_shards import on_dask
    from pyg_gears.layout.fill import fill_evenly
    from pyg_gears.layout.left_out_quality import LeftOutOutput, left_out_quality
    from pyg_gears.layout.locality import LocalityOutput, locality_graph
    from pyg_gears.layout.median import weighted_median
    from pyg_gears.layout.memory import layout_memory, memory_bytes, votes_at_a_time
    from pyg_gears.layout.neighbor_refinement import joint_probabilities, refine_neighbors
    from pyg_gears.layout.operator_merge import (
        OperatorLayout,
        ReversibleOperator,
        eigenvector_coordinates,
        landmark_coordinates,
        merge_operators,
        operator_layout,
        reversible_operator,
    )
    from pyg_gears.layout.own_components import own_components
    from pyg_gears.layout.paired_layout import paired_genes, paired_layout
    from pyg_gears.layout.patch_predictor import PatchPredictor, PredictionOutput, WeightedLayout
    from pyg_gears.layout.patches import PatchesOutput, draw_patches
    from pyg_gears.layout.patchwise import PatchwiseOutput, patchwise_layout, stitch_patches
    from pyg_gears.layout.query import AdaptedQuery, EmbeddedQuery, adapt_query, embed_query
    from pyg_gears.layout.reconstruct import LayoutOutput, reconstruct_layout
    from pyg_gears.layout.regressions import Regressions
    from pyg_gears.layout.scales import group_factor, synchronize_scales
    from pyg_gears.layout.settings import LayoutSettings
    from pyg_gears.layout.solve import SolveOutput, isomap_start, solve_layout
    from pyg_gears.layout.stitch import StitchOutput, stitch_votes
    from pyg_gears.layout.support import TrainingSupport
    from pyg_gears.layout.unplaced import with_unplaced
    from pyg_gears.layout.verdict import LayoutVerdict, layout_verdict
    from pyg_gears.layout.votes import VotesOutput, collect_votes

__all__ = [
    "AdaptedQuery",
    "ConfidenceCalibration",
    "ConsensusOutput",
    "EmbeddedQuery",
    "LayoutOutput",
    "LayoutSettings",
    "LayoutVerdict",
    "LeftOutOutput",
    "LocalityOutput",
    "OperatorLayout",
    "PatchPredictor",
    "PatchesOutput",
    "PatchwiseOutput",
    "PredictionOutput",
    "Regressions",
    "ReversibleOperator",
    "SolveOutput",
    "StitchOutput",
    "TrainingSupport",
    "VotesOutput",
    "WeightedLayout",
    "adapt_query",
    "collect_votes",
    "consensus_layout",
    "draw_patches",
    "eigenvector_coordinates",
    "embed_query",
    "fill_evenly",
    "group_factor",
    "isomap_start",
    "joint_probabilities",
    "landmark_coordinates",
    "layout_memory",
    "layout_verdict",
    "left_out_quality",
    "locality_graph",
    "memory_bytes",
    "merge_operators",
    "on_dask",
    "operator_layout",
    "own_components",
    "paired_genes",
    "paired_layout",
    "patchwise_layout",
    "reconstruct_layout",
    "refine_neighbors",
    "reversible_operator",
    "row_spearman",
    "solve_layout",
    "stitch_patches",
    "stitch_votes",
    "synchronize_scales",
    "votes_at_a_time",
    "weigh_by_agreement",
    "weighted_median",
    "with_unplaced",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": ["weigh_by_agreement"],
        "confidence": ["ConfidenceCalibration", "row_spearman"],
        "consensus": ["ConsensusOutput", "consensus_layout"],
        "dask_shards": ["on_dask"],
        "fill": ["fill_evenly"],
        "left_out_quality": ["LeftOutOutput", "left_out_quality"],
        "locality": ["LocalityOutput", "locality_graph"],
        "median": ["weighted_median"],
        "memory": ["layout_memory", "memory_bytes", "votes_at_a_time"],
        "neighbor_refinement": ["joint_probabilities", "refine_neighbors"],
        "operator_merge": [
            "OperatorLayout",
            "ReversibleOperator",
            "eigenvector_coordinates",
            "landmark_coordinates",
            "merge_operators",
            "operator_layout",
            "reversible_operator",
        ],
        "own_components": ["own_components"],
        "paired_layout": ["paired_genes", "paired_layout"],
        "patch_predictor": ["PatchPredictor", "PredictionOutput", "WeightedLayout"],
        "patches": ["PatchesOutput", "draw_patches"],
        "patchwise": ["PatchwiseOutput", "patchwise_layout", "stitch_patches"],
        "query": ["AdaptedQuery", "EmbeddedQuery", "adapt_query", "embed_query"],
        "reconstruct": ["LayoutOutput", "reconstruct_layout"],
        "regressions": ["Regressions"],
        "scales": ["group_factor", "synchronize_scales"],
        "settings": ["LayoutSettings"],
        "solve": ["SolveOutput", "isomap_start", "solve_layout"],
        "stitch": ["StitchOutput", "stitch_votes"],
        "support": ["TrainingSupport"],
        "unplaced": ["with_unplaced"],
        "verdict": ["LayoutVerdict", "layout_verdict"],
        "votes": ["VotesOutput", "collect_votes"],
    },
)
