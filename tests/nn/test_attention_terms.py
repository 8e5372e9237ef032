from __future__ import annotations

import torch

from pyg_gears.nn.attention_terms import attention_terms


def test_terms_are_detached_broadcast_and_zero_where_absent() -> None:
    qk, gate, alpha = (torch.randn(5, h, requires_grad=True) for h in (3, 1, 3))
    terms = attention_terms(qk, None, gate, None, alpha)
    assert not any(term.requires_grad for term in terms)
    assert all(term.shape == (5, 3) for term in terms)
    assert torch.equal(terms.qk, qk)
    assert torch.equal(terms.alpha, alpha)
    assert torch.equal(terms.gate, gate.repeat(1, 3))
    assert (terms.geo == 0).all()
    assert (terms.pair == 0).all()
