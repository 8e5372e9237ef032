"""A three-layer MLP on many rows, in chunks that stay in the cache, with its gradient written out."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import gelu, linear

from pyg_gears.graphs.second_order import second_order_backward
from pyg_gears.graphs.without_autocast import without_autocast


def chunked_mlp(
    rows: Float[Tensor, "p f"],
    first: Float[Tensor, "lh f"],
    second: tuple[Float[Tensor, "k h"], Float[Tensor, " k"]],
    last: tuple[Float[Tensor, "o k"], Float[Tensor, " o"] | None],
    chunk: int,
) -> Float[Tensor, "p l o"]:
    r"""Every row through l first layers side by side, and each of the results through the same two further layers.

    .. math:: y_{pl} = W_3 \, \mathrm{gelu}(W_2 \, \mathrm{gelu}(W_1^l r_p) + b_2) + b_3

    Only the arguments are kept for the gradient; the rest is computed again. Second derivatives run on all rows at once.

    Args:
        rows: Rows r, shape (p, f); a bias of the first layers is a column of ones.
        first: Weights W_1, one first layer below the other, shape (l h, f).
        second: Weight (k, h) and bias (k,) of the second layer.
        last: Weight (o, k) and, if it has one, bias (o,) of the last layer.
        chunk: Rows at a time.

    Returns:
        Shape (p, l, o).
    """
    return _ChunkedMLP.apply(rows, first, *second, *last, chunk)


class _ChunkedMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, w1: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor | None, chunk: int
    ) -> Tensor:
        h = w2.size(1)
        output = rows.new_empty(rows.size(0), w1.size(0) // h, w3.size(0))
        for part, result in zip(rows.split(chunk), output.split(chunk), strict=True):
            z1 = torch.mm(part, w1.T).view(-1, h)
            z2 = torch.mm(gelu(z1), w2.T).add_(b2)
            torch.mm(gelu(z2), w3.T, out=result.view(-1, w3.size(0)))
        if b3 is not None:
            output += b3
        ctx.save_for_backward(rows, w1, w2, b2, w3, b3)
        ctx.chunk = chunk
        return output

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        rows, w1, w2, b2, w3, b3 = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *second_order_backward(_at_once, (rows, w1, w2, b2, w3, b3), grad_outputs), None
        grad, h = grad_outputs[0].contiguous(), w2.size(1)
        grad_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        grad_w1, grad_w2, grad_w3 = torch.zeros_like(w1), torch.zeros_like(w2), torch.zeros_like(w3)
        grad_b2 = torch.zeros_like(b2)
        for start in range(0, rows.size(0), ctx.chunk):
            part, g3 = rows[start : start + ctx.chunk], grad[start : start + ctx.chunk].flatten(0, 1)
            z1 = torch.mm(part, w1.T).view(-1, h)
            a1 = gelu(z1)
            z2 = torch.mm(a1, w2.T).add_(b2)
            grad_w3.addmm_(g3.T, gelu(z2))
            g2 = torch.ops.aten.gelu_backward(g3 @ w3, z2)
            grad_w2.addmm_(g2.T, a1)
            grad_b2 += g2.sum(dim=0)
            g1 = torch.ops.aten.gelu_backward(g2 @ w2, z1).view(part.size(0), -1)
            grad_w1.addmm_(g1.T, part)
            if grad_rows is not None:
                torch.mm(g1, w1, out=grad_rows[start : start + ctx.chunk])
        grad_b3 = None if b3 is None else grad.sum(dim=(0, 1))
        return grad_rows, grad_w1, grad_w2, grad_b2, grad_w3, grad_b3, None


def _at_once(rows: Tensor, w1: Tensor, w2: Tensor, b2: Tensor, w3: Tensor, b3: Tensor | None) -> Tensor:
    """The same function as it is written."""
    z = linear(rows, w1).view(rows.size(0), -1, w2.size(1))
    return linear(gelu(linear(gelu(z), w2, b2)), w3, b3)
