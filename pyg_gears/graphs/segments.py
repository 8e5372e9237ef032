"""Normalisation over the edges that share a node, in log space and finite everywhere."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def segment_log_softmax(values: Float[Tensor, " e"], index: Int[Tensor, " e"], size: int) -> Float[Tensor, " e"]:
    r"""Log-softmax of ``values`` within the groups that ``index`` names.

    .. math:: y_e = v_e - \log \sum_{f : \mathrm{index}_f = \mathrm{index}_e} e^{v_f}

    Args:
        values: Finite logits, shape (e,).
        index: Group of each value, shape (e,), 0..size-1.
        size: Number of groups; groups without a value are allowed.

    Returns:
        Log-probabilities, shape (e,).
    """
    # The maximum only shifts the exponent: its gradient cancels exactly, so none is taken.
    top = values.detach().new_full((size,), -torch.inf).scatter_reduce(0, index, values.detach(), "amax")
    shifted = values - top[index]
    total = values.new_zeros(size).index_add(0, index, shifted.exp())
    return shifted - total.log()[index]
