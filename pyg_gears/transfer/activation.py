"""Spectral attention without its matrix: sums by low-rank products, rows on demand, gates instead of a softmax."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def activation(
    queries: Float[Tensor, "n k"], keys: Float[Tensor, "m k"], values: Float[Tensor, "m c"]
) -> Float[Tensor, "n c"]:
    r"""What attention gathers, in O((n + m) k c).

    .. math:: a = \tfrac1m\, \phi_q (\phi_k^T v)

    Args:
        queries: Basis of the graph that is written, shape (n, k).
        keys: Basis of the graph that is read (aligned, if it is another), shape (m, k).
        values: Signal of the graph that is read, shape (m, c).

    Returns:
        Activation, shape (n, c).
    """
    return queries @ (keys.T @ values.to(keys.dtype)) / keys.size(0)


def attention_rows(queries: Float[Tensor, "r k"], keys: Float[Tensor, "m k"]) -> Float[Tensor, "r m"]:
    r"""Rows of the attention for a few queries: the only form in which single entries are ever seen.

    Args:
        queries: Basis at r nodes, shape (r, k).
        keys: Basis of the graph that is read, shape (m, k).

    Returns:
        Entries :math:`q_i \cdot k_j`, shape (r, m).
    """
    return queries @ keys.T


def magnitude_gate(values: Float[Tensor, " ..."], threshold: float) -> Float[Tensor, " ..."]:
    r"""What is strong, between 0 and 1; the rest is zero. A softmax over a row would write everywhere, whatever the match.

    .. math:: g_i = \frac{|a_i|}{\max |a|} \; [\,|a_i| \ge \theta \max |a|\,]

    Args:
        values: Activations, any shape.
        threshold: :math:`\theta` in [0, 1].

    Returns:
        Gates of the same shape; all zero where all activations are.
    """
    size = values.abs()
    largest = size.max() if size.numel() else size.new_tensor(0.0)
    # Rounding must not decide about what is as large as the threshold.
    strong = size >= (1 - 1e-9) * threshold * largest
    return torch.where(strong, size / largest.clamp(min=torch.finfo(size.dtype).tiny), size.new_tensor(0.0))
