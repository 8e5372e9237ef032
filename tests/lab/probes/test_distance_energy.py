from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.geometry import edge_distance, gauge_fix
from pyg_gears.lab.probes.distance_energy import FAMILIES, distance_energy, energy_pairs
from pyg_gears.losses import geometric_energy


def slow_energy(distance: dict[tuple[int, int], float], graph) -> float:
    """E_geo of one graph by loops, from the distance of each pair (smaller number first)."""
    n, sigma = graph.num_nodes, graph.sigma.double().tolist()
    new, ref = np.zeros((n, n)), np.zeros((n, n))
    listed = zip(graph.rw_edge_index.T.tolist(), graph.rw_log_ref.tolist(), graph.rw_multiplicity.tolist(), strict=True)
    for (j, i), log_ref, m in listed:
        new[i, j] = m * np.exp(-(distance[min(i, j), max(i, j)] ** 2) / (sigma[i] * sigma[j] + 1e-8))
        ref[i, j] = m * np.exp(log_ref)
    new, ref = new / new.sum(axis=1, keepdims=True), ref / ref.sum(axis=1, keepdims=True)
    energy = 0.0
    for s in range(1, int(graph.rw_steps) + 1):
        a, b = np.linalg.matrix_power(ref, s), np.linalg.matrix_power(new, s)
        energy += 2.0 ** -(s - 1) * (a * np.log((a + 1e-8) / (b + 1e-8))).sum() / n
    ratio = [
        np.log(distance[i, j]) - np.log(d)
        for (i, j), d in zip(graph.stress_edge_index.T.tolist(), graph.stress_distance.tolist(), strict=True)
    ]
    return energy + 0.1 * np.var(ratio)


def by_pair(values, pairs) -> dict[tuple[int, int], float]:
    return {(i, j): float(v) for (i, j), v in zip(pairs.nodes.T.tolist(), values, strict=True)}


def test_energy_of_distances_is_the_energy_of_the_layout(minisets) -> None:
    graph = minisets[0]
    pos = gauge_fix(torch.randn(graph.num_nodes, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    pairs = energy_pairs(graph)
    distance = edge_distance(pos, pairs.nodes).requires_grad_()
    energy = distance_energy(distance, graph, pairs)
    value = float(energy.detach())
    assert value == pytest.approx(float(geometric_energy(pos, Batch.from_data_list([graph]))), rel=1e-6)
    known = by_pair(distance.detach(), pairs)
    assert value == pytest.approx(slow_energy(known, graph), rel=1e-6)
    (slope,) = torch.autograd.grad(energy, distance)
    for number in range(0, len(slope), len(slope) // 7):
        pair = tuple(pairs.nodes[:, number].tolist())
        high, low = (slow_energy(known | {pair: known[pair] + h}, graph) for h in (1e-5, -1e-5))
        assert float(slope[number]) == pytest.approx((high - low) / 2e-5, rel=1e-4, abs=1e-8)


def test_families_part_the_pairs(make_minisets) -> None:
    graph = make_minisets(count=1, low=90, high=90)[0]
    n, pairs = graph.num_nodes, energy_pairs(graph)
    stress = {tuple(p) for p in graph.stress_edge_index.T.tolist()}
    walk = {(min(p), max(p)) for p in graph.rw_edge_index.T.tolist()}
    landmarks = [i for i in range(n) if sum(i in p for p in stress) == n - 1]
    assert len(landmarks) == 8
    assert sum(pairs.family.values()).eq(1).all()
    for number, (i, j) in enumerate(pairs.nodes.T.tolist()):
        known = {name for name in FAMILIES if pairs.family[name][number]}
        far = i in landmarks or j in landmarks
        assert known == {"neighbors" if (i, j) in walk else "landmarks" if far else "ring"}
    assert len(pairs.nodes.T) == len(stress | walk)
    assert pairs.family["ring"].sum() > 50
