from __future__ import annotations

import numpy as np
import torch

from pyg_gears.lab.probes.gate_scores import gate_scores


def test_edges_come_by_miniset_whatever_the_batches(minisets, reading_model) -> None:
    model = reading_model()
    one, many = gate_scores(model, minisets, 1), gate_scores(model, minisets, 10_000)
    for a, b in zip(one[:4], many[:4], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    graph = minisets[0]
    other = graph.edge_index[0] != graph.edge_index[1]
    m = int(other.sum())
    np.testing.assert_allclose(one.logits[:m], model.gate(graph.x, graph.edge_index)[other].numpy(), atol=1e-5)
    np.testing.assert_allclose(one.target[:m], graph.gate_target[other].numpy(), atol=1e-6)
    np.testing.assert_array_equal(one.is_true, one.target > 0)
    node = graph.edge_index[1, other]
    total = torch.zeros(graph.num_nodes).double().index_add(0, node, torch.from_numpy(one.log_probability[:m]).exp())
    np.testing.assert_allclose(total.numpy(), 1, atol=1e-9)
    assert one.edges == len(one.logits)


def test_thinning_is_even_and_deterministic(minisets, reading_model) -> None:
    whole = gate_scores(reading_model(), minisets)
    few = gate_scores(reading_model(), minisets, limit=100)
    assert len(few.logits) == 100
    assert few.edges == whole.edges
    assert abs(few.is_true.mean() - whole.is_true.mean()) < 0.15
    assert few.logits[0] == whole.logits[0]
    assert few.logits[-1] == whole.logits[-1]
