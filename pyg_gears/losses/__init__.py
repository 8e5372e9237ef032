"""Losses and the yardstick E_geo: a value per graph, then the mean over the graphs of the batch."""

from __future__ import annotations

from pyg_gears.losses.bandwidth import effective_bandwidth, noise_weight
from pyg_gears.losses.distillation import distill_distances, distill_walk
from pyg_gears.losses.energy import EnergyOutput, geometric_energy
from pyg_gears.losses.fuzzy import fuzzy_cross_entropy
from pyg_gears.losses.gate import gate_kl, gate_ranking, gate_trust
from pyg_gears.losses.gram import gram_distance
from pyg_gears.losses.lle import lle_error
from pyg_gears.losses.multiscale_stress import linear_stress, local_stress, log_stress, ratio_stress
from pyg_gears.losses.neighborhood import neighborhood_nca
from pyg_gears.losses.overlap import OverlapConsistency, overlap_consistency
from pyg_gears.losses.random_walk import operator_kl, random_walk_js, random_walk_kl, random_walk_log_mse
from pyg_gears.losses.regularizers import repulsion, walk_entropy
from pyg_gears.losses.shared_points import SharedPoints, shared_points
from pyg_gears.losses.triplets import triplet_hinge

__all__ = [
    "EnergyOutput",
    "OverlapConsistency",
    "SharedPoints",
    "distill_distances",
    "distill_walk",
    "effective_bandwidth",
    "fuzzy_cross_entropy",
    "gate_kl",
    "gate_ranking",
    "gate_trust",
    "geometric_energy",
    "gram_distance",
    "linear_stress",
    "lle_error",
    "local_stress",
    "log_stress",
    "neighborhood_nca",
    "noise_weight",
    "operator_kl",
    "overlap_consistency",
    "random_walk_js",
    "random_walk_kl",
    "random_walk_log_mse",
    "ratio_stress",
    "repulsion",
    "shared_points",
    "triplet_hinge",
    "walk_entropy",
]
