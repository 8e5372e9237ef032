"""The families of targets and their combinations: what each optimises, on which fields, and its published figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.losses import (
    fuzzy_cross_entropy,
    gram_distance,
    lle_error,
    log_stress,
    neighborhood_nca,
    random_walk_js,
    random_walk_kl,
    random_walk_log_mse,
    triplet_hinge,
)
from pyg_gears.transforms import GeometricTargets, GramFactor, TargetFamilies

Loss = Callable[[Tensor, Data], Tensor]


class Family(NamedTuple):
    """A target, or a sum of several, by its weights.

    Attributes:
        terms: Loss and weight of each part.
        published: Procrustes disparity and recall@15 of direct optimisation, mean over n = 128, 256, 384, on mouse liver with
            adaptive k; those of the triplets at n = 128.
    """

    terms: tuple[tuple[Loss, float], ...]
    published: tuple[float, float] | None = None

    def __call__(self, pos: Tensor, data: Data) -> Tensor:
        """The weighted sum."""
        return torch.stack([weight * loss(pos, data) for loss, weight in self.terms]).sum()


FAMILIES: dict[str, Family] = {
    "F2+F4": Family(((random_walk_kl, 1.0), (log_stress, 0.1)), (0.2100, 0.8905)),
    "F2+0.05 F1": Family(((random_walk_kl, 1.0), (fuzzy_cross_entropy, 0.05)), (0.2857, 0.8340)),
    "F2": Family(((random_walk_kl, 1.0),), (0.2930, 0.8289)),
    "F1+0.3 F2": Family(((fuzzy_cross_entropy, 1.0), (random_walk_kl, 0.3)), (0.4921, 0.7445)),
    "F1": Family(((fuzzy_cross_entropy, 1.0),), (0.5413, 0.7373)),
    "LLE": Family(((lle_error, 1.0),), (0.5671, 0.5856)),
    "triplets": Family(((triplet_hinge, 1.0),), (0.9947, 0.3076)),
    "Gram": Family(((gram_distance, 1.0),), (0.0, 0.9972)),
    "F4": Family(((log_stress, 1.0),)),
    "NCA": Family(((neighborhood_nca, 1.0),)),
    "F2 JS": Family(((random_walk_js, 1.0),)),
    "F2 log-MSE": Family(((random_walk_log_mse, 1.0),)),
}
"""By name, in the order of the published figures."""

SINGLE = ("F1", "F2", "triplets", "F4", "LLE", "Gram", "NCA")
"""Families by themselves, whose targets are looked at one by one."""


def target_data(pos: Float[Tensor, "n 2"], k: int | None = None, seed: int = 0) -> Data:
    """A graph with the targets of every family and without coordinates.

    Args:
        pos: True coordinates, shape (n, 2).
        k: Spatial neighbours per node; the adaptive rule if omitted.
        seed: Of negatives and triplets.
    """
    data = TargetFamilies(k=k, seed=seed)(Data(pos=pos))
    return GeometricTargets(k)(GramFactor()(data))


def target_matrix(data: Data, family: str) -> Float[Tensor, "n n"]:
    """What a family knows of every pair, as a dense matrix: row = node, column = the other; 0 where it says nothing.

    Triplets are +1 for the near node and -1 for the far one, summed; the stress is the distance on its edges, both ways.
    """
    n = data.sigma.numel()
    matrix = torch.zeros(n, n, dtype=data.sigma.dtype, device=data.sigma.device)
    if family == "Gram":
        return data.gram_factor @ data.gram_factor.T
    if family == "triplets":
        anchor, near, far = data.triplet_index
        one = matrix.new_ones(anchor.numel())
        return matrix.index_put((anchor, near), one, accumulate=True).index_put((anchor, far), -one, accumulate=True)
    if family == "F4":
        i, j = data.stress_edge_index
        matrix[i, j] = matrix[j, i] = data.stress_distance
        return matrix
    if family == "F2":
        j, i = data.rw_edge_index
        matrix[i, j] = data.rw_multiplicity * data.rw_log_ref.exp()
        return matrix / matrix.sum(dim=1, keepdim=True)
    index, value = {
        "F1": (data.fuzzy_edge_index, data.fuzzy_membership),
        "LLE": (data.lle_edge_index, data.lle_weight),
        "NCA": (data.near_edge_index, matrix.new_ones(data.near_edge_index.size(1))),
    }[family]
    matrix[index[1], index[0]] = value
    return matrix
