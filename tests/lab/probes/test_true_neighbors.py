from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.probes.true_neighbors import true_neighbors


def test_edges_are_looked_up_in_any_order(minisets, transitions) -> None:
    graph = minisets[0]
    truth, n = transitions(graph), graph.num_nodes
    order = torch.randperm(graph.edge_index.size(1), generator=torch.Generator().manual_seed(0))
    edges = graph.edge_index[:, order]
    found = true_neighbors(graph, edges, 3)
    torch.testing.assert_close(found.transition, truth[edges[1], edges[0]], rtol=1e-5, atol=1e-9)
    best = [set(np.argsort(-truth[i].numpy(), kind="stable")[:3].tolist()) for i in range(n)]
    assert found.best.tolist() == [j in best[i] for j, i in edges.T.tolist()]
    assert found.wanted.tolist() == [3] * n
    assert found.degree.tolist() == (truth > 0).sum(dim=1).tolist()
    assert true_neighbors(graph, edges, 100).wanted.tolist() == (truth > 0).sum(dim=1).tolist()


def test_graphs_of_a_batch_keep_apart(minisets) -> None:
    graphs = [minisets[0], minisets[1]]
    batch = Batch.from_data_list(graphs)
    together = true_neighbors(batch, batch.edge_index, 3)
    alone = [true_neighbors(graph, graph.edge_index, 3) for graph in graphs]
    for name in ("transition", "best", "wanted", "degree"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(each, name) for each in alone]))
