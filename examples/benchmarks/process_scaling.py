"""Training steps by one process against two, one thread each: the same steps, paired in one run.

Trains the structure model for one epoch with ``training.devices=2``, so that a step is two batches: one process takes both in
turn, two take one each. Minisets are built before. Elapsed seconds of the whole epoch, validation and checkpoints included, in
turns; needs two idle cores. Efficiency is the time of one process over twice that of two, 1 at best.

    python examples/benchmarks/process_scaling.py TRAIN.h5ad ... --validate NAME [--preset quick] [--node-budget 1024]
        [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from pyg_gears import Recipe
from pyg_gears.data import MinisetDataset, read_slide
from pyg_gears.ranks import gather, join_ranks
from pyg_gears.training.preparation import prepare
from pyg_gears.training.structure_training import train_structure

MARK = "epoch took"


def train(arguments: argparse.Namespace, folder: Path) -> None:
    """In every process of a run: prepare alike, wait for each other, train, and let the first one tell the time."""
    torch.set_num_threads(1)
    changes = {"training": {"devices": 2, "node_budget": arguments.node_budget, "epochs": 1}}
    recipe = Recipe.preset(arguments.preset).change(changes)
    slides = [read_slide(path) for path in arguments.slides]
    prepared = prepare(recipe, slides, None, arguments.validate, None)
    build(prepared.train)
    build(prepared.validation)
    ranks = join_ranks(cuda=False)
    gather("ready")
    start = time.perf_counter()
    train_structure(recipe, prepared.train, prepared.validation, seed=0, folder=folder, progress=False)
    gather("done")
    if ranks.first:
        print(f"{MARK} {time.perf_counter() - start:.2f}", flush=True)


def build(minisets: MinisetDataset) -> None:
    """Build all minisets, which the data set keeps."""
    for number in range(len(minisets)):
        minisets[number]


def seconds(processes: int) -> float:
    """Elapsed seconds of the epoch, by so many processes of this file."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run(
            [sys.executable, *launcher, __file__, *sys.argv[1:], "--worker", folder],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return float(next(line for line in found.stdout.splitlines() if MARK in line).split()[-1])


def main() -> None:
    """Compare, and print the times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+")
    parser.add_argument("--validate", required=True)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--node-budget", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is not None:
        train(arguments, arguments.worker)
        return
    rounds = [(seconds(1), seconds(2)) for _ in range(arguments.rounds)]
    for one, two in rounds:
        print(f"one process {one:.1f} s, two {two:.1f} s, efficiency {one / (2 * two):.2f}")
    print(f"median efficiency {statistics.median(one / (2 * two) for one, two in rounds):.2f}")


if __name__ == "__main__":
    main()
