from __future__ import annotations

import torch

from pyg_gears.transfer import activation, align, attention_rows, magnitude_gate


def draws(n: int, k: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed)).double()


def test_low_rank_sums_equal_the_dense_attention() -> None:
    query, key, value = draws(30, 5), draws(40, 5, 1), draws(40, 3, 2)
    dense = query @ key.T
    assert torch.allclose(activation(query, key, value), dense @ value / 40)
    assert torch.allclose(attention_rows(query[3:7], key), dense[3:7])


def test_the_magnitude_gate_is_shut_where_nothing_matches() -> None:
    gate = magnitude_gate(torch.tensor([0.1, -2.0, 1.0, 0.0]).double(), 0.5)
    assert gate.tolist() == [0, 1, 0.5, 0]
    assert not magnitude_gate(torch.zeros(4), 0.5).any()
    assert magnitude_gate(torch.zeros(0), 0.5).shape == (0,)


def test_control_a_softmax_over_rows_writes_everywhere() -> None:
    """Eliminated: with row-normalised attention, nodes that match nothing are written as strongly as any other."""
    key = draws(200, 6)
    match, no_match = 3 * key[:1], 1e-6 * draws(1, 6, 5)
    rows = attention_rows(torch.cat([match, no_match]), key)
    softmax = rows.softmax(dim=1)
    assert torch.allclose(softmax.sum(dim=1), torch.ones(2).double())
    assert (softmax[1] > 0.9 / 200).all()
    gated = magnitude_gate(rows, 0.2)
    assert gated[0].max() == 1
    assert not gated[1].any()


def test_control_dense_attention_before_alignment_is_flat(described) -> None:
    """Eliminated: pixel attention. Raw rows have no peak to copy by, and every entry of them would be held at once."""
    target, sample = described
    n = len(target.phi)
    rows = torch.randint(n, (200,), generator=torch.Generator().manual_seed(0))
    raw = attention_rows(target.phi[rows], sample.phi) / n
    assert raw.abs().max() < 0.02
    assert 8 * n * n > 2e9  # bytes of the matrix at 128 x 128 pixels, whose rows these are
    # What is written by it follows the arbitrary signs of the eigenvectors; what is aligned does not.
    flips = torch.where(torch.arange(12) % 2 == 0, 1.0, -1.0)
    flipped = sample._replace(phi=sample.phi * flips, moments=sample.moments * flips)
    assert (attention_rows(target.phi[rows], flipped.phi) / n - raw).norm() > 0.5 * raw.norm()
    fits = [attention_rows(target.phi[rows], s.phi @ align(s, target).rotation) for s in (sample, flipped)]
    assert torch.allclose(fits[0], fits[1], atol=1e-8)
