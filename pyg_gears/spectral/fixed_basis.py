"""Eigenvectors without their arbitrary signs and turns."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

CLOSE = 1e-6
"""Eigenvalues closer than this share of their size count as one."""

TIE = 1e-6
"""Nodes whose weights agree to this share count as equal; the first of them is taken."""


def fixed_basis(values: Float[Tensor, " k"], vectors: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    r"""The same eigenspaces, each with the basis that a rule chooses.

    In the space of one eigenvalue, with projector :math:`P = V V^T`, the first vector is the column of P at the node where
    :math:`P_{ii}` is largest, made a unit vector; the next one is found in the same way in what remains. It depends on P
    alone, so that signs of single vectors and rotations of multiple ones, which a solver chooses freely, have no influence. For a
    single eigenvalue: the entry of largest size becomes positive.

    Nodes that tie (a symmetric graph) are settled by their order; then, and only then, a permutation of the nodes may
    choose another basis of the same space.

    Args:
        values: Eigenvalues in ascending order, shape (k,).
        vectors: Orthonormal eigenvectors, shape (n, k).

    Returns:
        Orthonormal eigenvectors (n, k), eigenvalue by eigenvalue the same spaces.
    """
    fixed = torch.empty_like(vectors)
    apart = (values[1:] - values[:-1]) > CLOSE * values[1:].abs() + 1e-12
    starts = [0, *(1 + apart.nonzero().flatten()).tolist(), values.numel()]
    for start, stop in pairwise(starts):
        space = vectors[:, start:stop].clone()
        for column in range(start, stop):
            weight = space.square().sum(dim=1)
            pivot = int((weight >= (1 - TIE) * weight.max()).to(torch.uint8).argmax())
            direction = space[pivot] / space[pivot].norm()
            fixed[:, column] = space @ direction
            space -= torch.outer(fixed[:, column], direction)
    return fixed
