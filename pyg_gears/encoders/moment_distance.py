"""How far apart the means and covariances of embeddings lie: of two domains, and of the groups within one."""

from __future__ import annotations

from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.encoders.domain_distances import check_domains, covariance

LEAST = 5
"""Rows below which a group takes no part."""


def moment_distance(x: Float[Tensor, "n c"], y: Float[Tensor, "m c"]) -> Float[Tensor, ""]:
    r"""Mean squared difference of means and of covariances.

    .. math:: \frac1c \sum_k (\bar x_k - \bar y_k)^2 + \frac1{c^2} \sum_{kl} (C_x - C_y)_{kl}^2

    Unlike :func:`~pyg_gears.encoders.coral`, which is blind to the means, it vanishes only where both agree.

    Args:
        x: Embeddings, shape (n, c), at least two rows.
        y: Embeddings, shape (m, c), at least two rows.

    Returns:
        The distance, at least 0.

    Raises:
        InputError: for another number of channels, or fewer than two rows.

    Source: Sun and Saenko, Deep CORAL, 2016, with the means beside the covariances, as the published GEARS encoder has it.
    """
    check_domains(x, y)
    means = (x.mean(dim=0) - y.mean(dim=0)).square().mean()
    return means + (covariance(x) - covariance(y)).square().mean()


def group_distance(x: Float[Tensor, "n c"], group: Int[Tensor, " n"]) -> Float[Tensor, ""]:
    r"""Mean :func:`moment_distance` over all pairs of groups, patients for instance.

    .. math:: \frac1{|P|} \sum_{(a, b) \in P} d(x_a, x_b), \quad P = \text{pairs of groups with more than 4 rows each}

    Args:
        x: Embeddings, shape (n, c).
        group: Number of each row's group, at least 0, shape (n,).

    Returns:
        The distance; 0 (with a gradient) where fewer than two groups are large enough.

    Source: the patient term of the published GEARS encoder.
    """
    parts = [x[group == number] for number in group.unique()]
    pairs = list(combinations([part for part in parts if len(part) >= LEAST], 2))
    if not pairs:
        return x.sum() * 0.0
    return torch.stack([moment_distance(a, b) for a, b in pairs]).mean()
