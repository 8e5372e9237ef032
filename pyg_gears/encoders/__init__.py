"""Encoders: expression in, embedding out; what a slide adds to every gene is removed first."""

from __future__ import annotations

from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import GeneStatistics, Normalization, center, gene_statistics, normalize_expression
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.encoders.pca import PCAEncoder

__all__ = [
    "Encoder",
    "GeneStatistics",
    "Normalization",
    "PCAEncoder",
    "center",
    "gene_statistics",
    "normalize_expression",
    "variable_genes",
]
