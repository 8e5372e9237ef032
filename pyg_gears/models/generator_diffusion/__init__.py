"""Parts of :class:`pyg_gears.models.GeneratorDiffusion`, the published structure model: generator, denoiser, sampler, curriculum.

The layers they are made of are in :mod:`pyg_gears.nn`, the losses in :mod:`pyg_gears.losses.latent`.
"""

from __future__ import annotations

from pyg_gears.models.generator_diffusion.competence import Competence
from pyg_gears.models.generator_diffusion.context_encoder import ContextEncoder
from pyg_gears.models.generator_diffusion.curriculum import Curriculum
from pyg_gears.models.generator_diffusion.denoiser import Denoiser
from pyg_gears.models.generator_diffusion.metric_set_generator import MetricSetGenerator
from pyg_gears.models.generator_diffusion.neighbor_overlap import neighbor_overlap
from pyg_gears.models.generator_diffusion.noise_gate import NoiseGate
from pyg_gears.models.generator_diffusion.noise_levels import draw_levels
from pyg_gears.models.generator_diffusion.planar import majorised, principal_plane
from pyg_gears.models.generator_diffusion.preconditioning import Preconditioning, edm_preconditioning, score_weight
from pyg_gears.models.generator_diffusion.residual_scale import ResidualScale
from pyg_gears.models.generator_diffusion.sampler import heun_sample, karras_levels
from pyg_gears.models.generator_diffusion.score_scale import ScoreScale
from pyg_gears.models.generator_diffusion.term_weights import TermWeights
from pyg_gears.models.generator_diffusion.training_sets import TrainingSets
from pyg_gears.models.generator_diffusion.training_terms import TrainingTerms

__all__ = [
    "Competence",
    "ContextEncoder",
    "Curriculum",
    "Denoiser",
    "MetricSetGenerator",
    "NoiseGate",
    "Preconditioning",
    "ResidualScale",
    "ScoreScale",
    "TermWeights",
    "TrainingSets",
    "TrainingTerms",
    "draw_levels",
    "edm_preconditioning",
    "heun_sample",
    "karras_levels",
    "majorised",
    "neighbor_overlap",
    "principal_plane",
    "score_weight",
]
