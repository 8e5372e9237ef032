from __future__ import annotations

import torch

from pyg_gears.graphs.second_order import second_order_backward


def test_is_the_gradient_and_a_graph() -> None:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0)
    first, none, absent = second_order_backward(lambda a, b, _: a**3 * b, (a, b, None), (torch.tensor(1.0),))
    assert first.item() == 36.0
    assert none is absent is None
    (second,) = torch.autograd.grad(first, a)
    assert second.item() == 36.0


def test_an_input_made_from_another_one_keeps_its_gradient_to_itself() -> None:
    a = torch.tensor(2.0, requires_grad=True)
    b = 3 * a
    by_a, by_b = second_order_backward(lambda a, b: a * b**2, (a, b), (torch.tensor(1.0),))
    assert (by_a.item(), by_b.item()) == (36.0, 24.0)
    assert torch.autograd.grad(by_a + by_b, a)[0].item() == 2 * 6 * 3 + 2 * (6 + 2 * 3)
