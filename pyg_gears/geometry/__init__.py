"""The plane, without learning: gauge, distances, neighbours, farthest points, similarity Procrustes."""

from __future__ import annotations

from pyg_gears.geometry.checked_coordinates import checked_coordinates
from pyg_gears.geometry.distances import edge_distance, edge_squared_distance
from pyg_gears.geometry.gauge import gauge_fix, principal_frame
from pyg_gears.geometry.morton_order import morton_order
from pyg_gears.geometry.neighbors import nearest_neighbors
from pyg_gears.geometry.points import farthest_points
from pyg_gears.geometry.procrustes import ProcrustesOutput, similarity_procrustes

__all__ = [
    "ProcrustesOutput",
    "checked_coordinates",
    "edge_distance",
    "edge_squared_distance",
    "farthest_points",
    "gauge_fix",
    "morton_order",
    "nearest_neighbors",
    "principal_frame",
    "similarity_procrustes",
]
