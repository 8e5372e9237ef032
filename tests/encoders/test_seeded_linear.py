from __future__ import annotations

import pytest
import torch

from pyg_gears.encoders.seeded_linear import seeded_linear


@pytest.mark.parametrize("bias", [True, False])
def test_first_weights_are_those_of_pytorch(bias: bool) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = torch.nn.Linear(7, 5, bias=bias)
    found = seeded_linear(7, 5, bias=bias, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(found.weight, expected.weight)
    assert (found.bias is None) == (not bias)
    if bias:
        torch.testing.assert_close(found.bias, expected.bias)
    assert found.weight.requires_grad


def test_the_global_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    seeded_linear(4, 3, generator=torch.Generator())
    assert torch.equal(before, torch.get_rng_state())
