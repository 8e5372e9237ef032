"""Losses of the published generator and denoiser: sets of points in many dimensions against a planar target, a value per set.

Points come as padded sets, ``v`` (b, m, d), with ``mask`` (b, m) for the places that hold a node (all if None); the target is
the canonical factor of the true Gram matrix, ``target`` (b, m, k) with k at most d (:func:`pyg_gears.targets.gram_factor`).
Nothing depends on how either side is turned. Which sets count, and by how much, is the caller's affair.
"""

from __future__ import annotations

from pyg_gears.losses.latent.alignment import alignment_error, log_radius_error
from pyg_gears.losses.latent.edge_lengths import edge_log_error, local_scale_error
from pyg_gears.losses.latent.gram_error import gram_error, relative_gram_error
from pyg_gears.losses.latent.neighborhood import neighborhood_error
from pyg_gears.losses.latent.overlap import OverlapTerms, overlap_terms
from pyg_gears.losses.latent.shape import shape_of
from pyg_gears.losses.latent.subspace import variance_outside_plane
from pyg_gears.losses.latent.true_edges import TrueEdges, true_edges

__all__ = [
    "OverlapTerms",
    "TrueEdges",
    "alignment_error",
    "edge_log_error",
    "gram_error",
    "local_scale_error",
    "log_radius_error",
    "neighborhood_error",
    "overlap_terms",
    "relative_gram_error",
    "shape_of",
    "true_edges",
    "variance_outside_plane",
]
