from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Batch

from pyg_gears.geometry import edge_distance
from pyg_gears.lab.probes.distance_energy import FAMILIES, distance_energy, energy_pairs
from pyg_gears.lab.probes.gradient_alignment import gradient_alignment


def slow_alignment(model, graph) -> dict[str, np.ndarray]:
    batch, n = Batch.from_data_list([graph]), graph.num_nodes
    output, pairs = model(batch, return_terms=True), energy_pairs(graph)
    edges = {(j, i): e for e, (j, i) in enumerate(output.edge_index.T.tolist())}
    found: dict[str, list] = {}
    starts = [output.initial, *output.trajectory[:-1]]
    for terms, start in zip(output.terms, starts, strict=True):
        distance = edge_distance(start.double(), pairs.nodes).requires_grad_()
        (slope,) = torch.autograd.grad(distance_energy(distance, graph, pairs), distance)
        steep, alpha = slope.abs().numpy(), terms.alpha.double().numpy()
        for name in (*FAMILIES, "all"):
            chosen = [p for p in range(len(steep)) if name == "all" or pairs.family[name][p]]
            nodes = [tuple(pairs.nodes[:, p].tolist()) for p in chosen]
            inside = [q for q, (i, j) in enumerate(nodes) if (i, j) in edges]
            mass = np.array([alpha[edges[nodes[q]]] + alpha[edges[nodes[q][::-1]]] for q in inside])
            slopes = steep[[chosen[q] for q in inside]]
            rho = [stats.spearmanr(mass[:, h], slopes).statistic for h in range(alpha.shape[1])]
            found.setdefault(f"spearman {name}", []).append(rho)
            found.setdefault(f"attention {name}", []).append(mass.sum(axis=0) / n)
            found.setdefault(f"gradient {name}", []).append(steep[chosen].sum() / steep.sum())
            found.setdefault(f"coverage {name}", []).append(len(inside) / len(nodes))
    return {name: np.array(values) for name, values in found.items()}


def test_every_measure_equals_the_loops(make_minisets, reading_model) -> None:
    graphs = [make_minisets(count=2, low=60, high=70)[i] for i in range(2)]
    fast = gradient_alignment(reading_model(), graphs, node_budget=1)
    slow = [slow_alignment(reading_model(), graph) for graph in graphs]
    for name in (*FAMILIES, "all"):
        for measure in ("spearman", "attention", "gradient"):
            expected = np.mean([each[f"{measure} {name}"] for each in slow], axis=0)
            np.testing.assert_allclose(getattr(fast, measure)[name], expected, rtol=1e-5, err_msg=f"{measure} {name}")
        expected = np.std([each[f"spearman {name}"] for each in slow], axis=0)
        np.testing.assert_allclose(fast.spread[name], expected, atol=1e-6)
        assert fast.coverage[name] == pytest.approx(np.mean([each[f"coverage {name}"][0] for each in slow]))


def test_graphs_of_a_batch_are_told_apart(minisets, reading_model) -> None:
    class Plain(reading_model):
        """Attention without the terms that depend on the place of an edge in its batch."""

        def __call__(self, batch, **kwargs):
            output = super().__call__(batch, **kwargs)
            n = batch.num_nodes
            gate = self.gate(batch.x, batch.edge_index).exp()
            total = torch.zeros(n).index_add(0, batch.edge_index[1], gate)
            alpha = (gate / total[batch.edge_index[1]])[:, None]
            terms = tuple(t._replace(alpha=alpha) for t in output.terms)
            still = (output.initial,) * len(output.trajectory)
            return dataclasses.replace(output, terms=terms, coordinates=(output.initial, *still))

    alone, together = gradient_alignment(Plain(), minisets, 1), gradient_alignment(Plain(), minisets, 1000)
    for name in FAMILIES:
        np.testing.assert_allclose(alone.spearman[name], together.spearman[name], atol=1e-6)
        np.testing.assert_allclose(alone.attention[name], together.attention[name], atol=1e-6)


def test_attention_on_the_gradient_is_aligned(minisets, reading_model) -> None:
    def aligned(batch, **_):
        output = reading_model(recycles=1)(batch, return_terms=True)
        graph = batch[0]
        pairs, n = energy_pairs(graph), graph.num_nodes
        distance = edge_distance(output.initial.double(), pairs.nodes).requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(distance_energy(distance, graph, pairs), distance)
        dense = torch.zeros(n, n).double()
        dense[pairs.nodes[0], pairs.nodes[1]] = dense[pairs.nodes[1], pairs.nodes[0]] = slope.abs()
        alpha = dense[output.edge_index[0], output.edge_index[1]][:, None]
        return dataclasses.replace(output, terms=(output.terms[0]._replace(alpha=alpha),))

    found = gradient_alignment(aligned, minisets, node_budget=1)
    for name in ("neighbors", "all"):
        np.testing.assert_allclose(found.spearman[name], 1.0)

    def silent(batch, **_):
        return dataclasses.replace(reading_model()(batch), terms=None)

    with pytest.raises(ValueError, match="expected attention terms of every recycle"):
        gradient_alignment(silent, minisets)
