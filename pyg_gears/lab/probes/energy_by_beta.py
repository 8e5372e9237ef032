"""The energy of a trained model against the weight of its gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyg_gears.lab.probes.evaluation_batches import Minisets, evaluation_batches
from pyg_gears.losses import geometric_energy

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

BETAS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)


def energy_by_beta(
    model: StructureModel, minisets: Minisets, betas: Sequence[float] = BETAS, node_budget: int = 1024
) -> dict[float, float]:
    """Mean E_geo when the gate enters the attention with another weight than in training.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        betas: Weights; 0 leaves the gate out.
        node_budget: Most nodes of a batch.

    Returns:
        Weight -> mean E_geo over the minisets.

    Raises:
        InputError: when there is no miniset.
    """
    total = dict.fromkeys(betas, 0.0)
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            for beta in betas:
                total[beta] += float(geometric_energy(model(batch, beta=beta).pos, batch)) * len(ids)
    return {beta: value / len(minisets) for beta, value in total.items()}
