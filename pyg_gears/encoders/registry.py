"""Encoders by the name in their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pyg_gears.encoders.base import Encoder
from pyg_gears.errors import expect, nearest_name

ENCODERS: dict[str, type[Encoder]] = {}
"""Class by ``type_name``."""

EncoderClass = TypeVar("EncoderClass", bound=type[Encoder])


def register_encoder(encoder: EncoderClass) -> EncoderClass:
    """Class decorator: states whose ``type`` is the class's ``type_name`` are rebuilt by it.

    Raises:
        InputError: when another class has the name.
    """
    taken = ENCODERS.setdefault(encoder.type_name, encoder)
    expect(
        taken is encoder,
        f"expected an encoder name of its own, found {encoder.type_name!r} taken by {taken.__name__}; rename it.",
    )
    return encoder


def encoder_from_state(state: Mapping[str, Any]) -> Encoder:
    """Build the encoder whose ``state()`` this is, whatever its class.

    Raises:
        InputError: for the state of no registered encoder.
    """
    name = str(state.get("type"))
    expect(
        name in ENCODERS,
        f"expected the state of an encoder among {', '.join(sorted(ENCODERS))}, found {name!r}"
        f"{nearest_name(name, ENCODERS)}; fit the model again.",
    )
    return ENCODERS[name].from_state(state)
