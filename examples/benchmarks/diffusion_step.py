"""Training step and sampler of the published model against their arithmetic: paired in one run.

A step is forward, losses and backward, without the optimiser; a layout is the generator, the sampler and the fit to the
plane. The floor is the time of their matrix products, attention's included, at the float32 rate of large products. One
thread, seconds of the processor; peak memory is what one call adds in a process of its own.

    python examples/benchmarks/diffusion_step.py [--preset published_small] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from paired import PRODUCT_FLOP, added_mebibytes, alternate, in_a_fork, product, ratio, write_ratios
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from torch_geometric.data import Batch, Data

from pyg_gears.models import GeneratorDiffusion
from pyg_gears.training import Recipe
from pyg_gears.transforms import GramFactor

SETS, NODES, CHANNELS = 8, 240, 128
aten = torch.ops.aten


class ProductCounter(TorchDispatchMode):
    """Adds up the operations of matrix products and attention.

    torch's own counter stumbles over the training's first pass, which has no gradient, and knows no attention on the CPU.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        kind = func._overloadpacket
        if kind in flop_registry:
            self.total += flop_registry[kind](*args, **(kwargs or {}), out_val=found)
        elif kind == aten._scaled_dot_product_flash_attention_for_cpu:
            self.total += sdpa_flop_count(*(x.shape for x in args[:3]))
        elif kind == aten._scaled_dot_product_flash_attention_for_cpu_backward:
            self.total += sdpa_backward_flop_count(*(x.shape for x in args[:4]))
        return found


def make_batch(seed: int = 0) -> Batch:
    """Eight minisets whose embedding is a noisy function of place."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(64, CHANNELS, generator=generator)
    graphs = []
    for _ in range(SETS):
        pos = torch.randn(NODES, 2, generator=generator)
        waves = torch.cos(pos @ torch.randn(2, 64, generator=generator) + torch.arange(64))
        x = waves @ mix + 2.0 * torch.randn(NODES, CHANNELS, generator=generator)
        itself = torch.arange(NODES).expand(2, -1)  # the model reads no edges
        graphs.append(GramFactor()(Data(x=x / 8, pos=pos, edge_index=itself)))
    return Batch.from_data_list(graphs)


def make_runs(preset: str) -> dict[str, Callable[[], None]]:
    """A step and a layout, by name, on one model and one batch."""
    torch.manual_seed(0)
    model: GeneratorDiffusion = Recipe.preset(preset).model.build(CHANNELS)
    model.begin_training(1000)
    batch = make_batch()

    def step() -> None:
        model.train().zero_grad()
        terms = model.loss_terms(model(batch), batch, torch.Generator().manual_seed(0))
        torch.stack([weight * value for weight, value in terms.values()]).sum().backward()

    def layout() -> None:
        with torch.no_grad():
            model.eval()(batch)

    return {"step": step, "layout": layout}


def product_flop(run: Callable[[], None]) -> int:
    """Operations in the matrix products of a call."""
    with ProductCounter() as counter:
        run()
    return counter.total


def memory_of(preset: str, name: str) -> float:
    """MiB that one call adds."""
    return added_mebibytes(make_runs(preset)[name])


def main() -> None:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="published_small", choices=["published_small", "published"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the ratios to a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    memory = {name: in_a_fork(memory_of, arguments.preset, name) for name in ("step", "layout")}
    runs = make_runs(arguments.preset)
    print(f"{SETS} sets of {NODES} nodes, {CHANNELS} channels, preset {arguments.preset}")
    flop = {name: product_flop(run) for name, run in runs.items()}
    seconds = alternate(runs | {"product": product}, arguments.rounds)
    ratios = {}
    for name in runs:
        over = ratio(seconds, name, "product") * PRODUCT_FLOP / flop[name]
        ratios[f"time: {name} of {arguments.preset} / its matrix products"] = over
        print(
            f"{name:>6}: {flop[name] / 1e9:.1f} GFLOP of products, median {statistics.median(seconds[name]):.3f} s, "
            f"{over:.2f} times the time of its products, {memory[name]:.0f} MiB"
        )
    write_ratios(arguments.json, ratios)


if __name__ == "__main__":
    main()
