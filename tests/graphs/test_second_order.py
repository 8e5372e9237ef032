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
