"""What the logits of an attention layer are made of."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class AttentionTerms(NamedTuple):
    """The terms of one layer's logits, (e, h) each, detached: ``alpha`` is the softmax of ``qk + geo + gate + pair``.

    A term that took no part is zero. Edges that a hard gate drops keep their terms and have ``alpha`` = 0.
    """

    qk: Tensor
    geo: Tensor
    gate: Tensor
    pair: Tensor
    alpha: Tensor


def attention_terms(
    qk: Tensor, geo: Tensor | None, gate: Tensor | None, pair: Tensor | None, alpha: Tensor
) -> AttentionTerms:
    """Detach the terms and bring them to the shape (e, h) of ``qk``; those that are None become zero."""
    nothing = torch.zeros_like(qk)
    geo, gate, pair = (nothing if part is None else part.detach().expand_as(qk) for part in (geo, gate, pair))
    return AttentionTerms(qk=qk.detach(), geo=geo, gate=gate, pair=pair, alpha=alpha.detach())
