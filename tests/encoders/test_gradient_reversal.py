from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.encoders import SlideAdversary, reverse_gradient


@pytest.mark.parametrize("strength", [1.0, 0.25, 3.0, 0.0])
def test_values_stay_and_the_gradient_turns(strength: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, generator=generator).requires_grad_()
    weight = torch.randn(5, 3, generator=generator)
    y = reverse_gradient(x, strength)
    assert torch.equal(y, x)
    (gradient,) = torch.autograd.grad((y * weight).sum(), x)
    assert torch.equal(gradient, -strength * weight)


def test_the_default_strength_is_one() -> None:
    x = torch.ones(3, requires_grad=True)
    reverse_gradient(x).sum().backward()
    assert torch.equal(x.grad, -torch.ones(3))


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_classifier_descends_and_the_embedding_ascends(strength: float) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        adversary = SlideAdversary(4, slides=3, hidden_channels=8)
    x = torch.randn(20, 4, generator=generator).requires_grad_()
    slide = torch.randint(3, (20,), generator=generator)
    plain = F.cross_entropy(adversary.classifier(x), slide)
    own = torch.autograd.grad(plain, [x, *adversary.parameters()])
    loss = adversary(x, slide, strength)
    found = torch.autograd.grad(loss, [x, *adversary.parameters()])
    assert torch.equal(loss, plain)
    torch.testing.assert_close(found[0], -strength * own[0])
    assert float(own[0].abs().max()) > 0
    torch.testing.assert_close(found[1:], own[1:])


def test_one_slide_leaves_nothing_to_tell() -> None:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = SlideAdversary(2, slides=1)(x, torch.zeros(6, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert (x.grad == 0).all()
