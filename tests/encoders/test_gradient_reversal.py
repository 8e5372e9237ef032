from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.encoders import reversal_strength, reverse_gradient


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


def test_the_strength_rises_from_nothing_to_one() -> None:
    found = [reversal_strength(p) for p in (0.0, 0.05, 0.2, 0.5, 1.0)]
    assert found == pytest.approx([2 / (1 + np.exp(-10 * p)) - 1 for p in (0.0, 0.05, 0.2, 0.5, 1.0)])
    assert found[0] == 0.0
    assert found == sorted(found)
    assert found[-1] > 0.999
