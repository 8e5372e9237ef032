"""Structure models: embedding and candidate graph in, a geometry out.

Which base a model has decides what training does with it: :class:`StructureModel` (any geometry, loss terms of its own),
:class:`GatedModel` (a gate on the candidates, so that gate losses and pretraining apply), :class:`RecyclingModel` (rounds of
invariant point attention).

To add a model: one file here with a subclass of one of the three, and one recipe variant (a
:class:`pyg_gears.configuration.Configuration` with a literal ``kind`` and ``build(in_channels)``), named in the union
``ModelRecipe`` of :mod:`pyg_gears.training.model_recipe`. Nothing else knows models by name.
``tests/models/test_structure_model.py`` adds one and trains it.
"""

from __future__ import annotations

from pyg_gears.models.coop_ebm import CoopEBM
from pyg_gears.models.coordinate_mlp import CoordinateMLP
from pyg_gears.models.distance_egnn import DistanceEGNN
from pyg_gears.models.distance_mds import DistanceMDS
from pyg_gears.models.from_preset import from_preset
from pyg_gears.models.gate_egnn import GateEGNN
from pyg_gears.models.gated_model import GatedModel
from pyg_gears.models.generator_diffusion.generator_diffusion import GeneratorDiffusion
from pyg_gears.models.gradient_flow import GradientFlow
from pyg_gears.models.ipa_lite import IPALite
from pyg_gears.models.ipa_r import IPAR
from pyg_gears.models.layout_sde import LayoutSDE
from pyg_gears.models.operator_net import OperatorNet
from pyg_gears.models.operator_vae import OperatorVAE
from pyg_gears.models.place_net import PlaceNet
from pyg_gears.models.recycling_model import RecyclingModel
from pyg_gears.models.stochastic_ipa import StochasticIPA
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.models.topo_ipa_r import TopoIPAR
from pyg_gears.models.wasserstein_flow import WassersteinFlow

__all__ = [
    "IPAR",
    "CoopEBM",
    "CoordinateMLP",
    "DistanceEGNN",
    "DistanceMDS",
    "GateEGNN",
    "GatedModel",
    "GeneratorDiffusion",
    "GradientFlow",
    "IPALite",
    "LayoutSDE",
    "OperatorNet",
    "OperatorVAE",
    "PlaceNet",
    "RecyclingModel",
    "StochasticIPA",
    "StructureModel",
    "StructureOutput",
    "TopoIPAR",
    "WassersteinFlow",
    "from_preset",
]
