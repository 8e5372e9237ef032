from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from torch.nn import Module

from pyg_gears import nn
from pyg_gears.errors import InputError

LAYERS = [one for one in (getattr(nn, name) for name in nn.__all__) if inspect.isclass(one) and issubclass(one, Module)]


def needed(layer: type[Module]) -> dict[str, object]:
    """The arguments that a constructor cannot do without."""
    parameters = inspect.signature(layer).parameters.values()
    given: dict[str, object] = {"gate": nn.EdgeGate(8), "mode": "monotone"}
    return {one.name: given.get(one.name, 8) for one in parameters if one.default is one.empty}


SIZES = [
    (layer, one.name)
    for layer in LAYERS
    for one in inspect.signature(layer).parameters.values()
    if one.annotation in ("int", "int | None")
]


@pytest.mark.parametrize(("layer", "size"), SIZES)
@pytest.mark.parametrize("value", [0, -2, 1.5, True, "8"])
def test_every_constructor_refuses_sizes_below_1_in_the_same_words(
    layer: type[Module], size: str, value: object
) -> None:
    message = f"expected {size} to be a whole number above 0, found {value!r}; give one."
    with pytest.raises(InputError, match=re.escape(message)):
        layer(**(needed(layer) | {size: value}))


def test_layers_can_be_made_of_whole_numbers_of_any_kind() -> None:
    assert len(LAYERS) > 12
    for layer in LAYERS:
        plain = needed(layer)
        layer(**{name: np.int64(value) if isinstance(value, int) else value for name, value in plain.items()})
