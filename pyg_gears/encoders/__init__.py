"""Encoders: expression in, embedding out; what a slide adds to every gene is removed first."""

from __future__ import annotations

from pyg_gears.encoders.base import EmbeddingOutput, Encoder
from pyg_gears.encoders.candidate_projection import fit_candidate_projection
from pyg_gears.encoders.centered_genes import CenteredGenes
from pyg_gears.encoders.centering import (
    GeneStatistics,
    Normalization,
    center,
    gene_statistics,
    normalize_counts,
    normalize_expression,
    project_expression,
)
from pyg_gears.encoders.component_encoder import ComponentEncoder
from pyg_gears.encoders.domain_adversary import DomainAdversary
from pyg_gears.encoders.domain_distances import coral, mmd
from pyg_gears.encoders.domain_draw import domain_draw
from pyg_gears.encoders.domain_gap import DomainGap, domain_gap
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.expression_views import expression_view
from pyg_gears.encoders.gene_completion import CompletionOutput, TrainingGenes, complete_genes
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.encoders.gradient_reversal import reversal_strength, reverse_gradient
from pyg_gears.encoders.learned_encoder import LearnedEncoder
from pyg_gears.encoders.log_genes import LogGenes
from pyg_gears.encoders.mixing_probe import MixingOutput, mixing_probe
from pyg_gears.encoders.moment_distance import group_distance, moment_distance
from pyg_gears.encoders.mutual_infonce import mutual_infonce
from pyg_gears.encoders.neighbor_agreement import NeighborAgreement, neighbor_agreement
from pyg_gears.encoders.neighbor_consistency import neighbor_consistency
from pyg_gears.encoders.normalized_network import NormalizedNetwork
from pyg_gears.encoders.published_encoder import PublishedEncoder
from pyg_gears.encoders.readable_cells import ReadableOutput, readable_cells
from pyg_gears.encoders.registry import encoder_from_state, register_encoder
from pyg_gears.encoders.single_cell_adapter import AdapterWeights, SCAdapter
from pyg_gears.encoders.spatial_infonce import far_pairs, neighbors_within, spatial_infonce
from pyg_gears.encoders.vicreg import VICRegOutput, vicreg

__all__ = [
    "AdapterWeights",
    "CenteredGenes",
    "CompletionOutput",
    "ComponentEncoder",
    "DomainAdversary",
    "DomainGap",
    "EmbeddingOutput",
    "Encoder",
    "ExpressionNetwork",
    "GeneStatistics",
    "LearnedEncoder",
    "LogGenes",
    "MixingOutput",
    "NeighborAgreement",
    "Normalization",
    "NormalizedNetwork",
    "PublishedEncoder",
    "ReadableOutput",
    "SCAdapter",
    "TrainingGenes",
    "VICRegOutput",
    "center",
    "complete_genes",
    "coral",
    "domain_draw",
    "domain_gap",
    "encoder_from_state",
    "expression_view",
    "far_pairs",
    "fit_candidate_projection",
    "gene_statistics",
    "group_distance",
    "mixing_probe",
    "mmd",
    "moment_distance",
    "mutual_infonce",
    "neighbor_agreement",
    "neighbor_consistency",
    "neighbors_within",
    "normalize_counts",
    "normalize_expression",
    "project_expression",
    "readable_cells",
    "register_encoder",
    "reversal_strength",
    "reverse_gradient",
    "spatial_infonce",
    "variable_genes",
    "vicreg",
]
