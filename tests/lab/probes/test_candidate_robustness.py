from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.graphs import candidate_graph
from pyg_gears.lab.probes.candidate_robustness import candidate_robustness
from pyg_gears.losses import geometric_energy
from pyg_gears.transforms import CandidateGraph


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_energies_and_recalls_equal_the_loops(minisets, reading_model, metric: str) -> None:
    projection = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    model = reading_model()
    candidates = CandidateGraph(7, metric, projection=projection)  # type: ignore[arg-type]
    before = repr(candidates), copy.copy(candidates.__dict__)
    found = candidate_robustness(model, minisets, candidates, (4, 9), node_budget=1)
    assert (repr(candidates), candidates.__dict__) == before
    for k in (4, 9):
        energies, recalls = [], []
        for graph in (minisets[i] for i in range(len(minisets))):
            batch = Batch.from_data_list([graph])
            edges = candidate_graph(graph.x, k=k, metric=metric, projection=projection)
            energies.append(float(geometric_energy(model(batch, edge_index=edges).pos.double(), batch)))
            walk = {tuple(e) for e in graph.rw_edge_index.T.tolist()}
            recalls.append(len(walk & {tuple(e) for e in edges.T.tolist()}) / len(walk))
        assert found.energy[k] == pytest.approx(np.mean(energies), rel=1e-5)
        assert found.candidate_recall[k] == pytest.approx(np.mean(recalls), abs=1e-9)
    assert found.range == pytest.approx(abs(found.energy[4] - found.energy[9]))
    assert found.candidate_recall[9] > found.candidate_recall[4]


def test_more_neighbours_than_nodes_change_nothing(minisets, reading_model) -> None:
    found = candidate_robustness(reading_model(), minisets, CandidateGraph(5, "euclidean"), (60, 80))
    assert found.range == 0
    assert found.candidate_recall == {60: 1.0, 80: 1.0}


def test_no_k_is_refused(minisets, reading_model) -> None:
    with pytest.raises(ValueError, match="expected at least one k"):
        candidate_robustness(reading_model(), minisets, CandidateGraph(5), ())
