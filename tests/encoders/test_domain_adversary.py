from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.encoders import DomainAdversary


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_classifier_descends_and_the_embedding_ascends(strength: float) -> None:
    generator = torch.Generator().manual_seed(0)
    adversary = DomainAdversary(4, 3, 8, generator=generator)
    x = torch.randn(20, 4, generator=generator).requires_grad_()
    domain = torch.tensor([0] * 13 + [1] * 2 + [2] * 5)
    single = F.cross_entropy(adversary.classifier(x), domain, reduction="none")
    plain = torch.stack([single[domain == d].mean() for d in range(3)]).mean()
    own = torch.autograd.grad(plain, [x, *adversary.parameters()])
    loss = adversary(x, domain, strength)
    found = torch.autograd.grad(loss, [x, *adversary.parameters()])
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(found[0], -strength * own[0])
    assert float(own[0].abs().max()) > 0
    torch.testing.assert_close(found[1:], own[1:])


def test_a_domain_that_is_absent_does_not_count() -> None:
    generator = torch.Generator().manual_seed(0)
    adversary = DomainAdversary(2, 3, generator=generator)
    x, domain = torch.randn(6, 2, generator=generator), torch.tensor([0, 0, 0, 2, 2, 2])
    expected = F.cross_entropy(adversary.classifier(x), domain)
    torch.testing.assert_close(adversary(x, domain), expected)


def test_weights_come_from_the_generator_and_the_global_state_stays() -> None:
    before = torch.get_rng_state()
    a, b, c = (DomainAdversary(3, 2, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(next(a.parameters()), next(c.parameters()))
