from __future__ import annotations

import torch

from pyg_gears.geometry.known_values import values_are_known
from pyg_gears.graphs import checked_edges


def test_values_are_read_on_the_cpu_outside_a_compiler_only() -> None:
    """The meta device stands for any device but the CPU: to read a value there is an error."""
    assert values_are_known(torch.ones(2))
    far = torch.zeros(2, 3, dtype=torch.long, device="meta")
    assert not values_are_known(far)
    assert checked_edges(far, 1) is far
    inside: list[bool] = []

    def function(x: torch.Tensor) -> torch.Tensor:
        inside.append(values_are_known(x))
        return x + 1

    torch._dynamo.reset()
    torch.compile(function, backend="eager")(torch.ones(2))
    assert inside == [False]
