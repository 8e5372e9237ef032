"""E_geo as a function of the distances of pairs, rather than of coordinates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.losses.energy import STRESS_WEIGHT
from pyg_gears.losses.random_walk import EPS
from pyg_gears.targets import log_transitions
from pyg_gears.targets.random_walk import EPS as BANDWIDTH_EPS

FAMILIES = ("neighbors", "ring", "landmarks")


class EnergyPairs(NamedTuple):
    """The undirected pairs of one graph whose distances E_geo reads.

    Attributes:
        nodes: Pairs with source < target, sorted, shape (2, p).
        walk: Pair of each edge of the random walk, shape (r,).
        stress: Pair of each edge of the stress, shape (s,).
        family: Name -> pairs of the family, shape (p,). "neighbors" are edges of the random walk. Of the other pairs,
            "landmarks" have an end that the stress joins to every node, and "ring" are the rest (in graphs so small that
            ordinary nodes are joined to all others, too few).
    """

    nodes: Int[Tensor, "2 p"]
    walk: Int[Tensor, " r"]
    stress: Int[Tensor, " s"]
    family: dict[str, Bool[Tensor, " p"]]


def pair_keys(edge_index: Int[Tensor, "2 e"], n: int) -> Int[Tensor, " e"]:
    """One number for each undirected pair, whichever way the edge points."""
    return edge_index.amin(dim=0) * n + edge_index.amax(dim=0)


def energy_pairs(graph: Data) -> EnergyPairs:
    """Collect the pairs of one graph with geometric targets."""
    n = int(graph.num_nodes or 0)
    walk, stress = pair_keys(graph.rw_edge_index, n), pair_keys(graph.stress_edge_index, n)
    key, place = torch.cat([walk, stress]).unique(return_inverse=True)
    nodes = torch.stack([key // n, key % n])
    near = torch.zeros_like(key, dtype=torch.bool).index_fill(0, place[: walk.numel()], True)
    central = graph.stress_edge_index.flatten().bincount(minlength=n) == n - 1
    far = central[nodes].any(dim=0) & ~near
    family = dict(zip(FAMILIES, (near, ~near & ~far, far), strict=True))
    return EnergyPairs(nodes, place[: walk.numel()], place[walk.numel() :], family)


def distance_energy(distance: Float[Tensor, " p"], graph: Data, pairs: EnergyPairs) -> Float[Tensor, ""]:
    r"""E_geo of one graph, from the distance of every pair in the gauge.

    .. math:: E(d) = L_{rw}(d) + 0.1\, L_{stress}(d)

    At ``d_ij = ||x_i - x_j||`` for gauge-fixed x this is :func:`pyg_gears.losses.geometric_energy` of x. Distances are free
    variables here: no layout need have them, and the gauge does not react to them.

    Args:
        distance: Distances, positive, shape (p,).
        graph: The graph with its targets.
        pairs: Its pairs.

    Returns:
        A scalar in the dtype of ``distance``, differentiable.
    """
    n, dtype = int(graph.num_nodes or 0), distance.dtype
    source, target = edges = graph.rw_edge_index
    sigma, multiplicity = graph.sigma.to(dtype), graph.rw_multiplicity.to(dtype)
    affinity = -distance[pairs.walk].square() / (sigma[source] * sigma[target] + BANDWIDTH_EPS)
    predicted, reference = (
        distance.new_zeros(n, n).index_put((target, source), log_transitions(values, multiplicity, edges, n).exp())
        for values in (affinity, graph.rw_log_ref.to(dtype))
    )
    energy = distance.new_zeros(())
    walk, walk_ref = predicted, reference
    for step in range(int(graph.rw_steps)):
        if step:
            walk, walk_ref = walk @ predicted, walk_ref @ reference
        energy = energy + 0.5**step / n * (walk_ref * ((walk_ref + EPS) / (walk + EPS)).log()).sum()
    ratio = distance[pairs.stress].log() - graph.stress_distance.to(dtype).clamp(min=1e-6).log()
    return energy + STRESS_WEIGHT * (ratio - ratio.mean()).square().mean()
