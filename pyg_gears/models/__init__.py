"""Structure models: embedding and candidate graph in, coordinates of every recycle out."""

from __future__ import annotations

from pyg_gears.models.base import StructureOutput
from pyg_gears.models.ipa_lite import IPALite

__all__ = ["IPALite", "StructureOutput"]
