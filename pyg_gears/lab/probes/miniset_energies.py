"""E_geo of every graph of a batch, in float64 on the device of the layout."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears.losses.energy import STRESS_WEIGHT
from pyg_gears.losses.multiscale_stress import log_stress_per_graph
from pyg_gears.losses.random_walk import random_walk_kl_per_graph


class MinisetEnergies(NamedTuple):
    """E_geo of every graph and its parts, shape (b,) each, float64.

    Attributes:
        energy: E_geo.
        random_walk: Its random-walk KL.
        stress: Its log stress, before the weight 0.1.
    """

    energy: Float[Tensor, " b"]
    random_walk: Float[Tensor, " b"]
    stress: Float[Tensor, " b"]


def miniset_energies(pos: Float[Tensor, "n 2"], batch: Any) -> MinisetEnergies:
    r"""The energy :math:`E = L_{rw} + 0.1\, L_{stress}` of each graph.

    Args:
        pos: Coordinates in the gauge.
        batch: Batch with geometric targets.
    """
    walk, stress = random_walk_kl_per_graph(pos.double(), batch), log_stress_per_graph(pos.double(), batch)
    return MinisetEnergies(walk + STRESS_WEIGHT * stress, walk, stress)
