"""Training step of IPALite ("d7") with the contextual gate against the same step with EdgeGate, paired in one run.

A step is forward, losses and backward, without the optimiser. Two cases: ``published``, eight minisets of 384 nodes
with 128 channels, and ``default``, about 1024 nodes in minisets of 96 to 256 with 10 channels and a narrow model.
Peak memory is what one step adds in a process of its own.

    python examples/benchmarks/gate_step.py [--case default] [--rounds 7] [--channels 64 32 16] [--threads 1]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

import torch
from torch_geometric.data import Batch, Data

from pyg_gears.losses import gate_kl, log_stress, random_walk_kl
from pyg_gears.models import IPALite
from pyg_gears.nn.gate_former import GateFormer
from pyg_gears.transforms import CandidateGraph, GeometricTargets

NEIGHBORS, TARGET = 100, 2.5


class Case(NamedTuple):
    """Sizes of the minisets, channels of the embedding, and the model around the gate."""

    sizes: tuple[int, ...]
    channels: int
    model: dict[str, int]


CASES = {
    "published": Case((384,) * 8, 128, {}),
    "default": Case(
        (256, 192, 96, 160, 224, 96), 10, {"hidden_channels": 64, "heads": 4, "head_channels": 16, "gate_channels": 32}
    ),
}


def make_batch(case: Case, seed: int = 0) -> Batch:
    """Minisets whose embedding is a noisy function of place."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(64, case.channels, generator=generator)
    graphs = []
    for size in case.sizes:
        pos = torch.randn(size, 2, generator=generator)
        waves = torch.cos(pos @ torch.randn(2, 64, generator=generator) + torch.arange(64))
        x = waves @ mix + 2.0 * torch.randn(size, case.channels, generator=generator)
        graphs.append(GeometricTargets()(CandidateGraph(k=NEIGHBORS)(Data(x=x / 8, pos=pos))))
    return Batch.from_data_list(graphs)


def make_model(case: Case, width: int | None, seed: int = 0) -> IPALite:
    """A model away from its initial point; with a GateFormer of this width, or else with its EdgeGate."""
    torch.manual_seed(seed)
    model = IPALite.from_preset("d7", case.channels, noise=0.0, **case.model)
    for block in model.blocks:
        torch.nn.init.normal_(block.frame_weight, std=0.2)
        torch.nn.init.normal_(block.update_state[-1].weight, std=0.02)
    if width is not None:
        model.gate = GateFormer(case.channels, width)
    return model


def step(model: IPALite, batch: Batch) -> None:
    """One training step without the optimiser."""
    model.zero_grad()
    output = model(batch)
    loss = 0.3 * random_walk_kl(output.pos, batch) + 0.1 * log_stress(output.pos, batch)
    (loss + 0.05 * gate_kl(output.gate_logits, batch)).backward()


def peak_mebibytes(name: str, width: int | None) -> float:
    """Peak resident memory that one step adds, in a process of its own."""
    command = [sys.executable, __file__, "--measure", "--case", name, "--channels", str(width or 0)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(name: str, widths: list[int], rounds: int, memory: dict[int | None, float]) -> None:
    """Run the rounds of one case and print its table."""
    case = CASES[name]
    batch = make_batch(case)
    models = {width: make_model(case, width) for width in (None, *widths)}
    seconds: dict[int | None, list[float]] = {width: [] for width in models}
    for model in models.values():
        step(model, batch)  # warm up
    for _ in range(rounds):
        for width, model in models.items():
            start = time.perf_counter()
            step(model, batch)
            seconds[width].append(time.perf_counter() - start)
    print(f"\n{name}: {batch.num_nodes} nodes, c = {case.channels}, k = {NEIGHBORS}, {batch.edge_index.size(1)} edges")
    print(f"{'gate':<17}{'parameters':>11}{'step':>10}{'ratio':>8}{'peak memory':>14}")
    for width, model in models.items():
        label = "EdgeGate" if width is None else f"GateFormer d={width}"
        count = sum(parameter.numel() for parameter in model.gate.parameters())
        ratio = statistics.median(ours / plain for ours, plain in zip(seconds[width], seconds[None], strict=True))
        median = statistics.median(seconds[width])
        print(f"{label:<17}{count:>11,}{median:>8.3f} s{ratio:>8.2f}{memory[width]:>10.0f} MiB")


def main() -> None:
    """Run the cases and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=[*CASES, "both"], default="both")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--channels", type=int, nargs="+", default=[64, 32, 16], help="widths of the GateFormer")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", action="store_true", help="print the memory that one step adds, and nothing else")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.measure:
        case = CASES[arguments.case]
        batch, model = make_batch(case), make_model(case, arguments.channels[0] or None)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step(model, batch)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        return
    names = list(CASES) if arguments.case == "both" else [arguments.case]
    # A child's peak never reads lower than its parent's memory at the fork: measure while that is small.
    memory = {name: {w: peak_mebibytes(name, w) for w in (None, *arguments.channels)} for name in names}
    print(f"{arguments.threads} threads; ratio: median of the rounds, step / step with EdgeGate (target {TARGET})")
    for name in names:
        compare(name, arguments.channels, arguments.rounds, memory[name])


if __name__ == "__main__":
    main()
