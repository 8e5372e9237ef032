"""From a reversible operator to coordinates: three decoders."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs.segment_softmax import segment_sum
from pyg_gears.models.springs import spring_step
from pyg_gears.nn import PaddedSets
from pyg_gears.nn.top_eigenpairs import eigenpairs_or_nan

Decoder = Literal["spectral", "diffusion", "springs"]
DECODERS: tuple[Decoder, ...] = ("spectral", "diffusion", "springs")
DIFFUSION_STEPS = 2
SPRING_STEP = 0.5
FLOOR = 1e-3
PADDING = -2.0


class OperatorWeights(NamedTuple):
    """Symmetric weights on edges and what follows from them.

    Attributes:
        log_weight: Logarithm of the weight of each edge, the same in both directions; -inf on self-loops, shape (e,).
        transition: Rows of the operator, those that enter a node sum to one, shape (e,).
        log_degree: Logarithm of the sum of the weights that enter a node, shape (n,); 0 for a node without an edge.
    """

    log_weight: Float[Tensor, " e"]
    transition: Float[Tensor, " e"]
    log_degree: Float[Tensor, " n"]


def operator_weights(
    log_weight: Float[Tensor, " e"], edge_index: Int[Tensor, "2 e"], num_nodes: int
) -> OperatorWeights:
    """Normalise the rows of symmetric weights; self-loops carry none.

    Args:
        log_weight: Finite logarithms, shape (e,).
        edge_index: Edges, shape (2, e), both directions listed.
        num_nodes: Nodes n.
    """
    source, target = edge_index
    weight = log_weight.exp().masked_fill(source == target, 0.0)
    degree = segment_sum(weight, target, num_nodes)
    alone = degree == 0
    degree = degree.masked_fill(alone, 1.0)
    return OperatorWeights(log_weight.masked_fill(source == target, -torch.inf), weight / degree[target], degree.log())


def spectral_coordinates(
    operator: OperatorWeights,
    edge_index: Int[Tensor, "2 e"],
    batch: Int[Tensor, " n"],
    sets: PaddedSets,
    decoder: Decoder,
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "b 4"]]:
    r"""The second and third eigenvector of each graph's operator, scaled.

    With :math:`S = D^{-1/2} W D^{-1/2}`, its eigenpairs :math:`(\lambda_k, u_k)`, :math:`1 = \lambda_1 \ge \lambda_2 \ge ...`:
    "spectral" (and the start of "springs") takes :math:`u_k (1 - \lambda_k)^{-1/2}`, "diffusion" the diffusion coordinates
    :math:`D^{-1/2} u_k \lambda_k^t` with t = 2, whose distances are those of the walk of t steps.

    Args:
        operator: The operator.
        edge_index: Its edges, shape (2, e).
        batch: Graph of each node, shape (n,).
        sets: Where the nodes lie in a padded tensor.
        decoder: Which of them.

    Returns:
        Coordinates (n, 2), in any gauge, and the four largest eigenvalues of each graph, shape (b, 4).
    """
    source, target = edge_index
    m, b = max(sets.size, 4), sets.num_sets
    count = torch.bincount(batch, minlength=b)
    local = torch.arange(len(batch), device=batch.device) - (count.cumsum(0) - count)[batch]
    half = 0.5 * operator.log_degree
    # An edge j -> i of weight w fills both halves: where only one direction is listed, S is still symmetric.
    similar = 0.5 * (operator.log_weight - half[source] - half[target]).exp().double()
    dense = similar.new_zeros(b * m * m)
    for rows, columns in ((target, source), (source, target)):
        dense = dense.index_add(0, (batch[rows] * m + local[rows]) * m + local[columns], similar)
    # Padding must not come before eigenvalues of a graph, which are at least -1.
    padding = torch.full((b * m,), PADDING, dtype=dense.dtype, device=dense.device).index_fill(
        0, batch * m + local, 0.0
    )
    values, vectors = eigenpairs_or_nan(dense.view(b, m, m) + torch.diag_embed(padding.view(b, m)), 4)
    wanted, middle = vectors[..., 1:3], values[:, None, 1:3]
    if decoder == "diffusion":
        scaled = wanted * middle.clamp(min=FLOOR) ** DIFFUSION_STEPS
    else:
        scaled = wanted * (1 - middle).clamp(min=FLOOR).rsqrt()
    nodes = scaled.flatten(0, 1)[batch * m + local].to(half.dtype)
    return (nodes * (-half).exp()[:, None] if decoder == "diffusion" else nodes), values.to(half.dtype)


def implied_distance(
    log_weight: Float[Tensor, " e"], bandwidth: Float[Tensor, " n"], edge_index: Int[Tensor, "2 e"]
) -> Float[Tensor, " e"]:
    r"""Distances at which the walk's kernel has these weights, :math:`d^2 = \mathrm{softplus}(-\log w)\, \sigma_i \sigma_j`."""
    source, target = edge_index
    square = torch.nn.functional.softplus(-log_weight) * bandwidth[source] * bandwidth[target]
    return (square + FLOOR**2).sqrt()


def relax(
    pos: Float[Tensor, "n 2"], edge_index: Int[Tensor, "2 e"], distance: Float[Tensor, " e"], steps: int
) -> Float[Tensor, "n 2"]:
    """Unrolled stress majorisation: steps of equal springs along the edges, self-loops left out."""
    weight = (edge_index[0] != edge_index[1]).to(pos.dtype)
    for _ in range(steps):
        pos = spring_step(pos, edge_index, distance, weight, SPRING_STEP)
    return pos
