"""E_geo, the yardstick: random-walk KL plus a tenth of the log stress."""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.losses.multiscale_stress import log_stress
from pyg_gears.losses.random_walk import random_walk_kl

STRESS_WEIGHT = 0.1


class EnergyOutput(Tensor):
    """A scalar tensor that remembers its two parts; arithmetic, copies and files hold plain tensors.

    Attributes:
        random_walk: L_rw, a scalar.
        stress: L_stress, a scalar.
    """

    random_walk: Tensor
    stress: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __format__(self, spec: str) -> str:
        return format(self.as_subclass(Tensor), spec)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return copy.deepcopy(self.as_subclass(Tensor), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.as_subclass(Tensor).__reduce_ex__(protocol)


def geometric_energy(pos: Float[Tensor, "n d"], batch: Data) -> EnergyOutput:
    r"""The yardstick :math:`E_{geo} = L_{rw} + 0.1\, L_{stress}`, full weight, no regularisers.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with the geometric targets.

    Returns:
        The mean energy over graphs as a scalar tensor, 0 for the true coordinates under any similarity transform, with
        its parts as ``.random_walk`` and ``.stress``.
    """
    walk, stress = random_walk_kl(pos, batch), log_stress(pos, batch)
    energy = (walk + STRESS_WEIGHT * stress).as_subclass(EnergyOutput)
    energy.random_walk, energy.stress = walk, stress
    return energy
