"""Losses and the yardstick E_geo: a value per graph, then the mean over the graphs of the batch."""

from __future__ import annotations

from pyg_gears.losses.distillation import distill_distances, distill_walk
from pyg_gears.losses.energy import EnergyOutput, geometric_energy
from pyg_gears.losses.gate import gate_kl, gate_ranking, gate_trust
from pyg_gears.losses.multiscale_stress import linear_stress, local_stress, log_stress, ratio_stress
from pyg_gears.losses.random_walk import operator_kl, random_walk_kl
from pyg_gears.losses.regularizers import repulsion, walk_entropy

__all__ = [
    "EnergyOutput",
    "distill_distances",
    "distill_walk",
    "gate_kl",
    "gate_ranking",
    "gate_trust",
    "geometric_energy",
    "linear_stress",
    "local_stress",
    "log_stress",
    "operator_kl",
    "random_walk_kl",
    "ratio_stress",
    "repulsion",
    "walk_entropy",
]
