from __future__ import annotations

import torch
from torch.nn.functional import layer_norm

from pyg_gears.nn.row_norm import centered, row_norm, row_norm_backward


def test_centred_rows_get_the_layer_norm_and_its_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias, x, grad = (
        torch.randn(s, generator=generator, dtype=torch.float64) for s in ((6, 4), (6,), (9, 4), (9, 6))
    )
    x[0] = 0
    bias[:] = 0  # so that a row is all zeros
    rows = (x @ centered(weight).T + centered(bias)).requires_grad_()
    assert rows.mean(dim=1).abs().max() < 1e-14
    normed, scale = row_norm(rows.detach())
    torch.testing.assert_close(normed, layer_norm(x @ weight.T + bias, (6,)))
    expected = torch.autograd.grad((row_norm(rows)[0] * grad).sum(), rows)[0]
    torch.testing.assert_close(row_norm_backward(grad, normed, scale), expected)


def test_writes_where_told() -> None:
    rows, place = torch.randn(3, 4), torch.zeros(5, 4)
    normed, _ = row_norm(rows, out=place[1:4])
    assert torch.equal(place[1:4], row_norm(rows)[0])
    assert normed.data_ptr() == place[1:4].data_ptr()
    assert (place[[0, 4]] == 0).all()
