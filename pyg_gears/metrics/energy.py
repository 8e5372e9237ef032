"""The training yardstick as a metric: E_geo, L_rw and L_stress of a layout against the truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch_geometric.data import Data

from pyg_gears.losses import geometric_energy
from pyg_gears.metrics.layout_pair import LayoutLike, layout_pair
from pyg_gears.seeds import check_seed
from pyg_gears.transforms import GeometricTargets

MAX_WHOLE = 2000
MINISETS = 12
MINISET_SIZE = 384


class EnergyAgreement(NamedTuple):
    """``e_geo = l_rw + 0.1 l_stress``, all >= 0 and 0 for the truth under any similarity transform."""

    e_geo: float
    l_rw: float
    l_stress: float


def energy_agreement(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> EnergyAgreement:
    """Random-walk KL and log stress of a layout against the targets of the true coordinates.

    Up to 2000 cells the section is one graph. Beyond, where dense powers of the walks are too slow, the mean over 12
    minisets of 384 cells is reported: half of them local (a random cell and its nearest true neighbours), half drawn
    over the whole section. Targets depend on the number of cells: values of one section are comparable, those of
    two sections only roughly, and values above and below 2000 cells not at all.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of the minisets.

    Returns:
        The energy and its parts, in nats and squared log units.
    """
    check_seed(seed)
    pair = layout_pair(pos, truth)
    draws = [np.arange(len(pair.truth))] if len(pair.truth) <= MAX_WHOLE else _minisets(pair.truth, seed)
    parts = np.array([_energy(pair.pos[draw], pair.truth[draw]) for draw in draws]).mean(axis=0)
    return EnergyAgreement(*(float(part) for part in parts))


def _energy(pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"]) -> tuple[float, float, float]:
    target = GeometricTargets()(Data(pos=torch.from_numpy(truth)))
    with torch.no_grad():
        energy = geometric_energy(torch.from_numpy(pos), target)
    return energy.item(), energy.random_walk.item(), energy.stress.item()


def _minisets(truth: Float[np.ndarray, "n 2"], seed: int) -> list[Int[np.ndarray, " m"]]:
    from scipy.spatial import cKDTree

    generator = np.random.default_rng(seed)
    tree = cKDTree(truth)
    draws = []
    for number in range(MINISETS):
        if number % 2:
            draw = generator.choice(len(truth), MINISET_SIZE, replace=False)
        else:
            draw = np.asarray(tree.query(truth[generator.integers(len(truth))], k=MINISET_SIZE)[1])
        draws.append(np.sort(draw))
    return draws
