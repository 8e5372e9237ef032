"""Pose-invariant metrics of a layout, one family per file."""

from __future__ import annotations

from pyg_gears.metrics.calibration import CalibrationCurve, calibration_curve, calibration_error, local_rmse
from pyg_gears.metrics.collapse import CollapseOutput, collapse_statistics
from pyg_gears.metrics.confidence import ConfidenceAgreement, confidence_agreement, local_error
from pyg_gears.metrics.distances import DistanceAgreement, distance_agreement, pair_distances
from pyg_gears.metrics.edges import EdgeAgreement, RocCurve, edge_agreement, roc_curve
from pyg_gears.metrics.energy import EnergyAgreement, energy_agreement
from pyg_gears.metrics.evaluate_layout import BETTER, evaluate_layout
from pyg_gears.metrics.labels import (
    CommunityOutput,
    PurityOutput,
    check_community_options,
    community_purity,
    layout_morans_i,
)
from pyg_gears.metrics.layout_pair import LayoutPair, layout_pair, placed_cells
from pyg_gears.metrics.neighborhoods import NeighborhoodAgreement, neighborhood_agreement
from pyg_gears.metrics.pose import PoseAgreement, align, pose_agreement
from pyg_gears.metrics.published import PUBLISHED_BETTER, published_scores

__all__ = [
    "BETTER",
    "PUBLISHED_BETTER",
    "CalibrationCurve",
    "CollapseOutput",
    "CommunityOutput",
    "ConfidenceAgreement",
    "DistanceAgreement",
    "EdgeAgreement",
    "EnergyAgreement",
    "LayoutPair",
    "NeighborhoodAgreement",
    "PoseAgreement",
    "PurityOutput",
    "RocCurve",
    "align",
    "calibration_curve",
    "calibration_error",
    "check_community_options",
    "collapse_statistics",
    "community_purity",
    "confidence_agreement",
    "distance_agreement",
    "edge_agreement",
    "energy_agreement",
    "evaluate_layout",
    "layout_morans_i",
    "layout_pair",
    "local_error",
    "local_rmse",
    "neighborhood_agreement",
    "pair_distances",
    "placed_cells",
    "pose_agreement",
    "published_scores",
    "roc_curve",
]
