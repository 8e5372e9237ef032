from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.nn import DistanceHead, PairHead, Perceptron


def test_a_pair_is_what_its_formula_says_and_has_no_order() -> None:
    torch.manual_seed(0)
    head, state = PairHead(4, 6, 3).double(), torch.randn(7, 4, dtype=torch.float64)
    pairs = torch.tensor([[0, 3, 5, 2], [1, 6, 5, 4]])
    u = head.embed(state)
    for row, (i, j) in zip(head(state, pairs), pairs.T.tolist(), strict=True):
        hidden = head.by_difference((u[i] - u[j]).abs()) + head.by_product(u[i] * u[j]) + head.by_sum(u[i] + u[j])
        torch.testing.assert_close(row, head.last(torch.nn.functional.silu(hidden)))
    torch.testing.assert_close(head(state, pairs.flip(0)), head(state, pairs))
    x = state.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: head(x, pairs[:, :2]), x)


@pytest.mark.parametrize("head", [PairHead(4, 6, 3), DistanceHead(4, 6)], ids=["values", "distances"])
def test_states_and_pairs_of_another_kind_are_refused(head: torch.nn.Module) -> None:
    state, pairs = torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])
    for wrong, message in (
        ((state[:, :2], pairs), "expected 4 channels, found 2 in state"),
        ((state.double(), pairs), r"expected state in the layer's torch.float32, found torch.float64"),
        (((state, state), pairs), "expected state of one set of nodes, found a tuple of 2"),
        ((state, pairs + 1), r"expected nodes 0..2 in pairs, found 1..3"),
        ((state, pairs.float()), "expected pairs of integers, found torch.float32"),
    ):
        with pytest.raises(InputError, match=message):
            head(*wrong)


def test_a_still_network_begins_at_zero_and_learns() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 3, 4)
    still, moving = Perceptron(4, 6, 2, zero_init=True), Perceptron(4, 6, 2)
    assert still(x).abs().max() == 0
    assert moving(x).abs().max() > 0
    assert still(x).shape == (5, 3, 2)
    still(x).sum().backward()
    assert still.last.weight.grad.abs().max() > 0
    expected = moving.last(torch.nn.functional.silu(moving.first(x)))
    torch.testing.assert_close(moving(x), expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.ones(5, 3, 4, dtype=torch.long), r"expected x as floats, found torch\.int64; call \.float\(\) on it"),
        (torch.ones(5, 3, 2), "expected 4 channels, found 2 in x; build it for this embedding"),
        (torch.ones(5, 4).double(), r"expected x in the layer's torch\.float32, found torch\.float64"),
        (None, r"expected x as a tensor \(n, channels\), found none; convert it"),
    ],
)
def test_a_network_refuses_what_it_cannot_read(wrong: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Perceptron(4, 6, 2)(wrong)
