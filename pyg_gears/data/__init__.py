"""Slides, cells and minisets: what comes in as AnnData and what goes to the models as PyG batches.

Names are loaded when first used: reading and checking files must not wait for torch. ``fingerprint`` and ``whole_file``
come from their modules of the same name; ``io`` holds what reads and writes files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.data.dataset import MinisetDataset
    from pyg_gears.data.embedded_slide import EmbeddedSlide
    from pyg_gears.data.fields import FIELDS, Field, check_fields, refuse_coordinates
    from pyg_gears.data.io.anndata_in import (
        H5adSummary,
        cells_from_anndata,
        check_h5ad,
        read_cells,
        read_slide,
        read_slides,
        slide_from_anndata,
        slides_from_anndata,
    )
    from pyg_gears.data.io.anndata_out import check_output, write_layout, write_slide
    from pyg_gears.data.io.read_options import ReadOptions
    from pyg_gears.data.loader import MinisetLoader, NodeBudgetSampler
    from pyg_gears.data.miniset import build_miniset
    from pyg_gears.data.miniset_recipe import (
        ExpressionSampling,
        LocalSampling,
        MinisetRecipe,
        PairedViews,
        UniformSampling,
    )
    from pyg_gears.data.packed import pack_data, read_packed, unpack_data, write_packed
    from pyg_gears.data.pseudo_spot_files import write_pseudo_spots
    from pyg_gears.data.sampling import WalkGraph, draw_miniset, draw_pair, draw_size, walk_graph
    from pyg_gears.data.slide import Slide, check_cells, check_slide, shared_genes
    from pyg_gears.data.splits import SlidePart, SplitOutput, spatial_block, split_slides
    from pyg_gears.data.spot_grid import PseudoSpotsOutput, disjoint_halves, pseudo_spots
    from pyg_gears.data.synthetic import SimulationOutput, simulate_tissue, write_simulation

__all__ = [
    "FIELDS",
    "EmbeddedSlide",
    "ExpressionSampling",
    "Field",
    "H5adSummary",
    "LocalSampling",
    "MinisetDataset",
    "MinisetLoader",
    "MinisetRecipe",
    "NodeBudgetSampler",
    "PairedViews",
    "PseudoSpotsOutput",
    "ReadOptions",
    "SimulationOutput",
    "Slide",
    "SlidePart",
    "SplitOutput",
    "UniformSampling",
    "WalkGraph",
    "build_miniset",
    "cells_from_anndata",
    "check_cells",
    "check_fields",
    "check_h5ad",
    "check_output",
    "check_slide",
    "disjoint_halves",
    "draw_miniset",
    "draw_pair",
    "draw_size",
    "pack_data",
    "pseudo_spots",
    "read_cells",
    "read_packed",
    "read_slide",
    "read_slides",
    "refuse_coordinates",
    "shared_genes",
    "simulate_tissue",
    "slide_from_anndata",
    "slides_from_anndata",
    "spatial_block",
    "split_slides",
    "unpack_data",
    "walk_graph",
    "write_layout",
    "write_packed",
    "write_pseudo_spots",
    "write_simulation",
    "write_slide",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "io.anndata_in": (
            "H5adSummary",
            "cells_from_anndata",
            "check_h5ad",
            "read_cells",
            "read_slide",
            "read_slides",
            "slide_from_anndata",
            "slides_from_anndata",
        ),
        "io.anndata_out": ("check_output", "write_layout", "write_slide"),
        "dataset": ("MinisetDataset",),
        "embedded_slide": ("EmbeddedSlide",),
        "fields": ("FIELDS", "Field", "check_fields", "refuse_coordinates"),
        "loader": ("MinisetLoader", "NodeBudgetSampler"),
        "miniset": ("build_miniset",),
        "miniset_recipe": ("ExpressionSampling", "LocalSampling", "MinisetRecipe", "PairedViews", "UniformSampling"),
        "packed": ("pack_data", "read_packed", "unpack_data", "write_packed"),
        "pseudo_spot_files": ("write_pseudo_spots",),
        "spot_grid": ("PseudoSpotsOutput", "disjoint_halves", "pseudo_spots"),
        "io.read_options": ("ReadOptions",),
        "sampling": ("WalkGraph", "draw_miniset", "draw_pair", "draw_size", "walk_graph"),
        "synthetic": ("SimulationOutput", "simulate_tissue", "write_simulation"),
        "slide": ("Slide", "check_cells", "check_slide", "shared_genes"),
        "splits": ("SlidePart", "SplitOutput", "spatial_block", "split_slides"),
    },
)
