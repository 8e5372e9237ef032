"""Where a fit spends its processor time, stage by stage, and what it reaches on sections that it has not seen.

To compare two states of the package, run this file with each on PYTHONPATH, in turns.

    python examples/benchmarks/fit_stages.py TRAIN.h5ad ... --validate NAME [--unseen SECTION.h5ad ...] [--preset quick]
        [--seed 0] [--threads 1]
"""

from __future__ import annotations

import argparse
import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from pyg_gears import Gears, Recipe, gears, held_out_fit
from pyg_gears.data import MinisetDataset, read_slide
from pyg_gears.metrics import evaluate_layout
from pyg_gears.training import structure_module

STAGES: dict[str, tuple[Any, str]] = {
    "encoder that holds spots out": (gears, "prepare_parts"),
    "encoder of all slides": (gears, "prepare_all_slides"),
    "structure model that holds spots out": (held_out_fit, "train_structure"),
    "layout of the held-out slide": (held_out_fit, "_layouts"),
    "structure model of all slides": (gears, "train_on_all"),
    "of these: minisets": (MinisetDataset, "_load_or_build"),
    "of these: validation steps": (structure_module.StructureModule, "validation_step"),
}
"""Where the stages are called; the last two lie within others."""


def timed(call: Callable[..., Any], seconds: dict[str, float], stage: str) -> Callable[..., Any]:
    """The same call, whose processor seconds add up under the stage."""

    @functools.wraps(call)
    def run(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        try:
            return call(*arguments, **options)
        finally:
            seconds[stage] += time.process_time() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+")
    parser.add_argument("--validate", required=True)
    parser.add_argument("--unseen", nargs="*", default=[])
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds: dict[str, float] = defaultdict(float)
    for stage, (owner, name) in STAGES.items():
        setattr(owner, name, timed(getattr(owner, name), seconds, stage))
    recipe = Recipe.preset(options.preset).change({"training": {"seed": options.seed}})
    fit = timed(Gears(recipe).fit, seconds, "whole fit")
    fitted = fit([read_slide(path) for path in options.slides], validate=options.validate, progress=False)
    print("| stage | CPU seconds |\n|---|---|")
    for stage in [*STAGES, "whole fit"]:
        print(f"| {stage} | {seconds[stage]:.1f} |")
    for path in options.unseen:
        slide = read_slide(path)
        found = evaluate_layout(fitted.reconstruct(slide, progress=False).pos, np.asarray(slide.pos))
        print(f"{slide.name}: Spearman {found['spearman']:.3f}, Trust@20 {found['trust_20']:.3f}")


if __name__ == "__main__":
    main()
