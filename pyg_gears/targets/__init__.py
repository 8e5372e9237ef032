"""Geometric targets: coordinates in, per-edge tensors out. Everything is invariant under similarity transforms."""

from __future__ import annotations

from pyg_gears.targets.gate import GATE_TARGETS, gate_target
from pyg_gears.targets.gram import gram_factor
from pyg_gears.targets.multiscale_stress import StressTarget, landmark_count, multiscale_stress_target
from pyg_gears.targets.orthogonal_alignment import orthogonal_alignment
from pyg_gears.targets.random_walk import (
    RandomWalkTarget,
    log_affinity,
    log_transitions,
    neighbor_count,
    random_walk_target,
    walk_steps,
)
from pyg_gears.typing import GateTarget

__all__ = [
    "GATE_TARGETS",
    "GateTarget",
    "RandomWalkTarget",
    "StressTarget",
    "gate_target",
    "gram_factor",
    "landmark_count",
    "log_affinity",
    "log_transitions",
    "multiscale_stress_target",
    "neighbor_count",
    "orthogonal_alignment",
    "random_walk_target",
    "walk_steps",
]
