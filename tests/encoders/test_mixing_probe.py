from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.encoders import mixing_probe
from pyg_gears.errors import InputError


def sample(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x + shift * torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)


def slow_accuracy(domains: list[torch.Tensor], k: int) -> float:
    x = F.normalize(torch.cat(domains), dim=1)
    label = [number for number, part in enumerate(domains) for _ in part]
    right = [0] * len(domains)
    for i in range(len(x)):
        others = sorted((j for j in range(len(x)) if j != i), key=lambda j, i=i: -float(x[i] @ x[j]))[:k]
        votes = [sum(label[j] == number for j in others) for number in range(len(domains))]
        right[label[i]] += votes.index(max(votes)) == label[i]
    return sum(count / len(part) for count, part in zip(right, domains, strict=True)) / len(domains)


@pytest.mark.parametrize("k", [5, 6])
def test_the_neighbours_vote(k: int) -> None:
    for domains in ([sample(30, 0), sample(30, 1, 1.0)], [sample(20, 0), sample(20, 1), sample(20, 2, 2.0)]):
        assert mixing_probe(domains, neighbors=k).accuracy == pytest.approx(slow_accuracy(domains, k))


def test_mixed_domains_are_guessed_by_chance_and_distant_ones_are_known() -> None:
    def accuracy(shift: float) -> float:
        generator = torch.Generator().manual_seed(0)
        return mixing_probe([sample(600, 0), sample(200, 1, shift)], generator=generator).accuracy

    assert accuracy(0.0) == pytest.approx(0.5, abs=0.08)  # however unequal the domains
    assert accuracy(9.0) > 0.95


def test_an_embedding_that_is_the_same_for_all_has_collapsed() -> None:
    wide, flat = [sample(50, 0), sample(50, 1)], [0.05 * sample(50, 0), 0.05 * sample(50, 1)]
    assert not mixing_probe(wide).collapsed
    found = mixing_probe(flat)
    assert found.collapsed
    assert found.least_std == pytest.approx(float(torch.cat(flat).std(dim=0).min()))


def test_two_domains_are_needed() -> None:
    with pytest.raises(InputError, match=r"at least two domains with rows, found 1; pass spots and cells"):
        mixing_probe([sample(5, 0)])
    with pytest.raises(InputError, match=r"at least two domains with rows, found 1"):
        mixing_probe([sample(5, 0), sample(0, 0)])
