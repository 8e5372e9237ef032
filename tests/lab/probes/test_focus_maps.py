from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.probes.focus_maps import (
    EDGES,
    QUERIES,
    focus_figure,
    gate_entropy,
    miniset_maps,
    progression_figure,
    query_nodes,
)

pytest.importorskip("matplotlib")


@pytest.fixture
def seen(reading_model, minisets):
    """A miniset, its true positions and what a model makes of it."""
    miniset = minisets[2]
    truth = minisets.slides[int(miniset.slide_id)].pos[miniset.node_id]
    return (
        miniset,
        truth.numpy(),
        reading_model(recycles=3, heads=2)(Batch.from_data_list([miniset]), return_terms=True),
    )


def plain_entropy(logits: list[float], edges: list[tuple[int, int]], node: int) -> float:
    weights = [math.exp(g) for g, (j, i) in zip(logits, edges, strict=True) if i == node and j != i]
    return -sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights)


def plain_queries(entropy: list[float], truth: list[list[float]]) -> dict[str, int]:
    """The rule in words: sort, cut at the medians, take the nearest that is free."""
    n = len(truth)

    def median(values: list[float]) -> float:
        return sorted(values)[(len(values) - 1) // 2]

    chosen = {"median_entropy": sorted(range(n), key=lambda i: (entropy[i], i))[(n - 1) // 2]}
    cut = [median([p[axis] for p in truth]) for axis in (0, 1)]
    for name in ("upper_left", "upper_right", "lower_left", "lower_right"):
        inside = [
            i
            for i, (x, y) in enumerate(truth)
            if (x >= cut[0]) == name.endswith("right") and (y >= cut[1]) == name.startswith("upper")
        ]
        if inside:
            middle = [median([truth[i][axis] for i in inside]) for axis in (0, 1)]
            free = [i for i in inside if i not in chosen.values()]
            if free:
                chosen[name] = min(free, key=lambda i: (sum((truth[i][a] - middle[a]) ** 2 for a in (0, 1)), i))
    return chosen


def test_queries_follow_the_rule(seen) -> None:
    miniset, truth, output = seen
    edges = [(j, i) for j, i in output.edge_index.T.tolist()]
    entropy = [plain_entropy(output.gate_logits.tolist(), edges, i) for i in range(miniset.num_nodes)]
    found = gate_entropy(output.gate_logits, output.edge_index, miniset.num_nodes)
    np.testing.assert_allclose(found.numpy(), entropy, rtol=1e-6)
    chosen = query_nodes(output.gate_logits, output.edge_index, torch.from_numpy(truth))
    assert chosen == plain_queries(entropy, truth.tolist())
    assert list(chosen) == list(QUERIES)
    assert chosen == query_nodes(output.gate_logits, output.edge_index, torch.from_numpy(truth))


def test_heads_are_averaged_and_self_loops_do_not_count() -> None:
    edges = torch.tensor([[0, 1, 2, 0, 1, 0, 2], [0, 0, 0, 1, 1, 2, 2]])
    logits = torch.tensor([9.0, 1.0, 2.0, 0.5, 9.0, 3.0, 9.0])
    split = torch.stack([logits - 4, logits + 4], dim=1)
    expected = gate_entropy(logits, edges, 3)
    torch.testing.assert_close(gate_entropy(split, edges, 3), expected)
    assert expected[0] == pytest.approx(plain_entropy(logits.tolist(), edges.T.tolist(), 0), rel=1e-6)
    assert expected[1:].tolist() == [0.0, 0.0]
    alone = torch.tensor([[0], [0]])
    assert gate_entropy(torch.zeros(1), alone, 1).tolist() == [0.0]


def test_no_node_is_taken_twice_and_an_empty_quadrant_gives_none() -> None:
    line = torch.stack([torch.arange(5.0), torch.arange(5.0)], dim=1)
    edges = torch.tensor([[1, 0, 1, 2, 3], [0, 1, 2, 3, 4]])
    chosen = query_nodes(torch.zeros(5), edges, line)
    # All entropies are 0: the median is node 2. Upper right holds 2, 3, 4 (middle 3), lower left 0, 1 (lower median 0).
    assert chosen == {"median_entropy": 2, "upper_right": 3, "lower_left": 0}
    crowded = query_nodes(torch.zeros(1), torch.tensor([[0], [0]]), line[:1])
    assert crowded == {"median_entropy": 0}


def test_a_focus_map_tells_the_recall_and_draws_what_it_says(seen, transitions) -> None:
    miniset, truth, output = seen
    query = query_nodes(output.gate_logits, output.edge_index, torch.from_numpy(truth))["upper_right"]
    alpha = [terms.alpha for terms in output.terms]
    figure = focus_figure(alpha, output.edge_index, miniset, truth, query, "title")
    panels, bar = figure.axes[:6], figure.axes[6:]
    assert len(bar) == 1
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "query",
        "true neighbour",
        "5 of most attention",
        "not a candidate",
    ]
    reference = transitions(miniset)[query]
    wanted = set((reference > 0).nonzero().flatten().tolist())
    into = [e for e, (j, i) in enumerate(output.edge_index.T.tolist()) if i == query and j != query]
    sources = output.edge_index[0, into].tolist()
    scales = set()
    for number, axes in enumerate(panels):
        recycle, head = divmod(number, 2)
        weight = alpha[recycle][into, head].tolist()
        order = sorted(range(len(into)), key=lambda e: -weight[e])
        recall = len({sources[e] for e in order[:30]} & wanted) / 30
        assert axes.get_title() == f"recycle {recycle + 1}, head {head + 1}: {recall:.2f}"
        everyone, coloured, ringed, star = axes.collections
        assert len(everyone.get_offsets()) == miniset.num_nodes
        np.testing.assert_allclose(coloured.get_array(), sorted(weight), rtol=1e-6)
        np.testing.assert_allclose(coloured.get_offsets(), truth[[sources[e] for e in order[::-1]]])
        true = miniset.rw_edge_index[0, miniset.rw_edge_index[1] == query]
        np.testing.assert_allclose(ringed.get_offsets(), truth[true.numpy()])
        np.testing.assert_allclose(star.get_offsets(), truth[[query]])
        ends = [tuple(line.get_xydata()[1]) for line in axes.lines]
        assert ends == [tuple(truth[sources[e]]) for e in order[:EDGES]]
        scales.add((coloured.norm.vmin, coloured.norm.vmax))
    assert len(scales) == 1


def test_progression_undoes_turn_mirror_and_scale(seen) -> None:
    _, truth, output = seen
    exact = torch.from_numpy(truth) @ torch.tensor([[0.0, 2.0], [2.0, 0.0]]).double() + 7
    figure = progression_figure((output.initial, *output.trajectory[:1], exact), truth, "a miniset")
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.split(",")[0] for title in titles] == ["truth", "initial", "recycle 1", "recycle 2"] + [""] * 4
    assert titles[3].endswith("d = 0.000")
    shown = [axes.collections[0].get_offsets() for axes in figure.axes]
    np.testing.assert_allclose(shown[3], shown[0], atol=1e-9)
    assert np.abs(shown[1] - shown[0]).max() > 1e-3
    for row in (figure.axes[:4], figure.axes[4:]):
        colors = [axes.collections[0].get_array() for axes in row]
        assert all(np.array_equal(values, colors[0]) for values in colors)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_a_miniset_gives_a_map_a_query_and_a_progression(seen) -> None:
    miniset, truth, output = seen
    names = [name for name, _ in miniset_maps(output, miniset, truth, "title")]
    assert names == [*(f"focus_{query}" for query in QUERIES), "progression"]


def test_a_long_title_stays_inside_a_narrow_figure(seen) -> None:
    miniset, truth, output = seen
    title = "hippocampus_section_4, miniset 12: attention of the most central spot of the upper left quadrant"
    figure = focus_figure([terms.alpha for terms in output.terms], output.edge_index, miniset, truth, 3, title)
    figure.canvas.draw()
    extent, whole = figure._suptitle.get_window_extent(), figure.bbox
    assert extent.x0 >= 0
    assert extent.x1 <= whole.x1
    assert extent.y1 <= whole.y1
