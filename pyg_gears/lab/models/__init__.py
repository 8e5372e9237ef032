"""The bench: every structure model under one budget, on one section that none has seen."""

from __future__ import annotations

from pyg_gears.lab.models.bench import BenchOutput, bench_recipe, run_bench
from pyg_gears.lab.models.bench_tasks import BenchTask, bench_tasks
from pyg_gears.lab.models.contenders import BASELINE, combinations, contenders
from pyg_gears.lab.models.joint_model import JointModel
from pyg_gears.lab.models.measure_model import measure_model
from pyg_gears.lab.models.measure_operators import measure_operators
from pyg_gears.lab.models.sample_spread import SampleSpread, sample_spread

__all__ = [
    "BASELINE",
    "BenchOutput",
    "BenchTask",
    "JointModel",
    "SampleSpread",
    "bench_recipe",
    "bench_tasks",
    "combinations",
    "contenders",
    "measure_model",
    "measure_operators",
    "run_bench",
    "sample_spread",
]
