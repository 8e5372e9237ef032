"""Comparisons by protocol: this package, soft maps, simple rivals and other tools on the same cells, scored alike.

Names are loaded when first used, so that a command checks its files before it waits for the import of the training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.lab.benchmark.methods import Method, find_methods
    from pyg_gears.lab.benchmark.patch_sizes import PatchSizeRow, patch_size_study
    from pyg_gears.lab.benchmark.protocols import PROTOCOLS, Case, Pooling, Protocol, make_case
    from pyg_gears.lab.benchmark.rival_files import RivalFile
    from pyg_gears.lab.benchmark.runner import BenchmarkOutput, run_benchmark
    from pyg_gears.lab.benchmark.scores import Row, score_layout, score_parts

__all__ = [
    "PROTOCOLS",
    "BenchmarkOutput",
    "Case",
    "Method",
    "PatchSizeRow",
    "Pooling",
    "Protocol",
    "RivalFile",
    "Row",
    "find_methods",
    "make_case",
    "patch_size_study",
    "run_benchmark",
    "score_layout",
    "score_parts",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "methods": ("Method", "find_methods"),
        "patch_sizes": ("PatchSizeRow", "patch_size_study"),
        "protocols": ("PROTOCOLS", "Case", "Pooling", "Protocol", "make_case"),
        "rival_files": ("RivalFile",),
        "runner": ("BenchmarkOutput", "run_benchmark"),
        "scores": ("Row", "score_layout", "score_parts"),
    },
)
