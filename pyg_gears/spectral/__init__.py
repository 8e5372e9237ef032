"""Smooth functions of a graph with a node signal: Laplacian, lowest eigenvectors, heat, and bases made comparable."""

from __future__ import annotations

from pyg_gears.spectral.affinity_laplacian import affinity, affinity_laplacian
from pyg_gears.spectral.basis_alignment import BasisAlignment, align_bases, spectral_moments
from pyg_gears.spectral.boundary import boundary_mask
from pyg_gears.spectral.fixed_basis import fixed_basis
from pyg_gears.spectral.grid import grid_edges, grid_positions
from pyg_gears.spectral.heat import heat
from pyg_gears.spectral.lowest_eigenvectors import SpectralBasis, lowest_eigenvectors
from pyg_gears.spectral.node_functions import node_functions

__all__ = [
    "BasisAlignment",
    "SpectralBasis",
    "affinity",
    "affinity_laplacian",
    "align_bases",
    "boundary_mask",
    "fixed_basis",
    "grid_edges",
    "grid_positions",
    "heat",
    "lowest_eigenvectors",
    "node_functions",
    "spectral_moments",
]
