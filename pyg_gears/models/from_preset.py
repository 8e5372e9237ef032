"""Structure models by the names that the method's history gave them."""

from __future__ import annotations

from typing import Any

from pyg_gears.errors import expect, nearest_name
from pyg_gears.models.ipa_lite import PRESETS, IPALite
from pyg_gears.models.ipa_r import IPAR
from pyg_gears.models.recycling_model import RecyclingModel
from pyg_gears.models.topo_ipa_r import TopoIPAR

NAMES = (*PRESETS, "d2", "topo")


def from_preset(name: str, in_channels: int, **overrides: Any) -> RecyclingModel:
    """Build a published model as published.

    Args:
        name: "v1", "v2" or "d7" (an :class:`IPALite`, see its presets), "d2" (:class:`IPAR`) or "topo"
            (:class:`TopoIPAR`).
        in_channels: Channels c of the embedding.
        overrides: Arguments of the model that replace the published ones.

    Raises:
        InputError: for an unknown name.

    >>> from_preset("d2", 8).recycles
    3
    """
    expect(
        name in NAMES,
        f"expected a preset among {', '.join(NAMES)}, found {name!r}{nearest_name(name, NAMES)}; name one.",
    )
    if name in PRESETS:
        return IPALite.from_preset(name, in_channels, **overrides)
    return (IPAR if name == "d2" else TopoIPAR)(in_channels, **overrides)
