"""Geometric targets: coordinates in, per-edge tensors out. Everything is invariant under similarity transforms."""

from __future__ import annotations

from pyg_gears.targets.fuzzy import FuzzyTarget, fuzzy_target
from pyg_gears.targets.gate import GATE_TARGETS, gate_target
from pyg_gears.targets.gram import gram_factor
from pyg_gears.targets.lle import LLETarget, lle_target
from pyg_gears.targets.multiscale_stress import StressTarget, landmark_count, multiscale_stress_target
from pyg_gears.targets.neighborhood import NeighborhoodTarget, neighborhood_target
from pyg_gears.targets.orthogonal_alignment import orthogonal_alignment
from pyg_gears.targets.random_walk import (
    RandomWalkTarget,
    log_affinity,
    log_transitions,
    neighbor_count,
    random_walk_target,
    walk_steps,
)
from pyg_gears.targets.triplets import ring_triplets
from pyg_gears.typing import GateTarget

__all__ = [
    "GATE_TARGETS",
    "FuzzyTarget",
    "GateTarget",
    "LLETarget",
    "NeighborhoodTarget",
    "RandomWalkTarget",
    "StressTarget",
    "fuzzy_target",
    "gate_target",
    "gram_factor",
    "landmark_count",
    "lle_target",
    "log_affinity",
    "log_transitions",
    "multiscale_stress_target",
    "neighbor_count",
    "neighborhood_target",
    "orthogonal_alignment",
    "random_walk_target",
    "ring_triplets",
    "walk_steps",
]
