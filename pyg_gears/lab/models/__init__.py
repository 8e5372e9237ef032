"""The bench: every structure model under one budget, on one section that none has seen."""

from __future__ import annotations

from pyg_gears.lab.models.bench import BenchOutput, bench_recipe, run_bench
from pyg_gears.lab.models.contenders import BASELINE, contenders
from pyg_gears.lab.models.measure_model import measure_model
from pyg_gears.lab.models.sample_spread import SampleSpread, sample_spread

__all__ = [
    "BASELINE",
    "BenchOutput",
    "SampleSpread",
    "bench_recipe",
    "contenders",
    "measure_model",
    "run_bench",
    "sample_spread",
]
