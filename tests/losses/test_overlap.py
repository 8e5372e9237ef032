"""Agreement of two views: against a slow statement in float64, pair by pair."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.losses import overlap_consistency, shared_points

NODES = [[0, 2, 3, 5, 8, 9], [2, 3, 4, 8, 9], [1, 3, 5, 7], [0, 1, 2, 3, 4, 5, 6], [0, 2, 4, 5, 6, 9, 11]]
PAIRS = [4, 4, 7, 9, 9]
SHARED = [(0, 1, [2, 3, 8, 9]), (3, 4, [0, 2, 4, 5, 6])]


def views() -> tuple[Batch, Tensor]:
    """Two pairs of views that share four and five spots, and a miniset without a partner."""
    graphs = [
        Data(x=torch.zeros(len(n), 1), node_id=torch.tensor(n), pair_id=torch.tensor([p]))
        for n, p in zip(NODES, PAIRS, strict=True)
    ]
    batch = Batch.from_data_list(graphs)
    return batch, torch.randn(batch.num_nodes, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def gauge(x: Tensor) -> Tensor:
    x = x - x.mean(dim=0)
    return x / x.square().sum(dim=1).mean().sqrt()


def statement(pos: Tensor, batch: Batch, tau: float) -> dict[str, float]:
    """Every form from its definition, by loops."""
    parts = [gauge(pos[batch.batch == g]) for g in range(len(NODES))]
    total = dict.fromkeys(("ratio", "gram", "size", "neighbors"), 0.0)
    for first, second, spots in SHARED:
        raw = [parts[g][[NODES[g].index(spot) for spot in spots]] for g in (first, second)]
        m = len(spots)
        traces = [float(((x - x.mean(dim=0)) ** 2).sum()) for x in raw]
        total["size"] += float(torch.tensor(traces[0] / traces[1]).log() ** 2)
        a, b = (gauge(x) for x in raw)
        ga, gb = a @ a.T, b @ b.T
        total["gram"] += float(((ga / ga.trace() - gb / gb.trace()) ** 2).mean())
        for i in range(m):
            rest = [j for j in range(m) if j != i]
            for j in rest:
                da, db = float((a[i] - a[j]).norm()), float((b[i] - b[j]).norm())
                total["ratio"] += ((db - da) / max(da, 0.1)) ** 2 / (m * (m - 1))
            p, q = (torch.stack([-((x[i] - x[j]) ** 2).sum() / tau for j in rest]).softmax(0) for x in (a, b))
            total["neighbors"] += float((p * (p / q).log() + q * (q / p).log()).sum()) / (2 * m)
    return {name: value / len(SHARED) for name, value in total.items()}


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_every_form_equals_its_statement(tau: float) -> None:
    batch, pos = views()
    found = overlap_consistency(pos, batch, tau)
    assert {name: value.item() for name, value in found._asdict().items()} == pytest.approx(statement(pos, batch, tau))
    assert all(value > 1e-4 for value in found)


def test_close_pairs_do_not_decide_the_ratio() -> None:
    batch, pos = views()
    pos[NODES[0].index(3)] = pos[NODES[0].index(2)] + 1e-9
    found = overlap_consistency(pos, batch)
    assert found.ratio.item() == pytest.approx(statement(pos, batch, 0.5)["ratio"])
    assert found.ratio < 1e3
    pos[NODES[1].index(3)] = pos[NODES[1].index(2)]
    pos.requires_grad_()
    sum(overlap_consistency(pos, batch)).backward()
    assert torch.isfinite(pos.grad).all()


@pytest.mark.parametrize("form", ["ratio", "gram", "size", "neighbors"])
def test_gradients_are_those_of_the_second_view_alone(form: str) -> None:
    batch, pos = views()
    pos.requires_grad_()
    getattr(overlap_consistency(pos, batch), form).backward()
    taught = torch.tensor([g in (1, 4) for g in batch.batch.tolist()])
    assert (pos.grad[~taught] == 0).all()
    assert pos.grad[taught].abs().max() > 1e-4

    def second(part: Tensor) -> Tensor:
        return getattr(overlap_consistency(pos.detach().masked_scatter(taught[:, None], part), batch), form)

    assert torch.autograd.gradcheck(second, pos.detach()[taught].requires_grad_())


def test_pose_and_unit_of_a_view_do_not_matter_and_agreement_is_zero() -> None:
    batch, pos = views()
    before = overlap_consistency(pos, batch)
    turn = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=torch.float64)
    moved = torch.where((batch.batch == 1)[:, None], 3 * pos @ turn + 5, pos)
    assert [float(v) for v in overlap_consistency(moved, batch)] == pytest.approx([float(v) for v in before])
    slide = torch.randn(12, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    same = overlap_consistency(slide[batch.node_id], batch)
    assert max(same.ratio, same.gram, same.neighbors) < 1e-12
    # The gauge of a view depends on what is not shared.
    assert same.size > 1e-4


def test_half_precision_and_a_batch_without_views() -> None:
    batch, pos = views()
    assert overlap_consistency(pos.half(), batch).ratio.item() == pytest.approx(
        overlap_consistency(pos, batch).ratio.item(), rel=0.02
    )
    batch.pair_id = torch.arange(5)
    assert overlap_consistency(pos, batch) == (0, 0, 0, 0)


def test_what_cannot_be_compared_is_refused() -> None:
    batch, pos = views()
    with pytest.raises(InputError, match=r"expected a temperature above 0, found 0\.0; raise tau"):
        overlap_consistency(pos, batch, 0.0)
    for name in ("pair_id", "node_id"):
        other = batch.clone()
        del other[name]
        with pytest.raises(InputError, match=f"expected {name} in the batch, found none; draw minisets in pairs"):
            overlap_consistency(pos, other)


def test_views_are_matched_by_their_spots() -> None:
    node_id = torch.tensor([1, 4, 6, 9, 12, 4, 5, 6, 9, 12, 20, 1, 2, 3])
    found = shared_points(torch.tensor([7, 7, 3]), node_id, torch.tensor([5, 6, 3]))
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])
    assert found.first_place.tolist() == [[1, 2, 3, 4]]
    assert found.second_place.tolist() == [[0, 2, 3, 4]]
    assert found.mask.all()
    assert shared_points(torch.tensor([7, 7, 3]), node_id, torch.tensor([5, 6, 3]), least=5) is None
    assert shared_points(torch.tensor([1, 2, 3]), node_id, torch.tensor([5, 6, 3])) is None
