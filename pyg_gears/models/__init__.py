"""Structure models: embedding and candidate graph in, coordinates of every recycle out."""

from __future__ import annotations

from pyg_gears.models.base import StructureOutput
from pyg_gears.models.ipa_lite import IPALite
from pyg_gears.models.ipa_r import IPAR
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.topo_ipa_r import TopoIPAR

__all__ = ["IPAR", "IPALite", "StructureModel", "StructureOutput", "TopoIPAR"]
