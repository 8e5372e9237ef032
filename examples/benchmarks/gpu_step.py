"""A training step on a GPU: its kernels, how long they work, and the share of the GPU's arithmetic that the step uses.

A step is augmentation, forward, losses and backward, without the optimiser, on minisets of simulated tissue. Milliseconds are
elapsed, medians of 12 steps after 5; "busy" is the sum of the kernels' times; "arithmetic" is the time that the step's
matrix products would take at the float32 rate of large products, measured here.

    python examples/benchmarks/gpu_step.py [--models ipa_lite gate_egnn] [--budgets 1024 4096 16384] [--repeatable]
        [--processor]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusion_step import ProductCounter
from torch.profiler import ProfilerActivity, profile
from torch_geometric.data import Batch

from pyg_gears import Recipe
from pyg_gears.data import MinisetDataset, simulate_tissue
from pyg_gears.devices import find_device, repeatable
from pyg_gears.models import StructureModel
from pyg_gears.training.augmentation import augment
from pyg_gears.training.build_model import build_model
from pyg_gears.training.preparation import prepare
from pyg_gears.training.structure_loss import structure_terms


def make_batch(minisets: MinisetDataset, budget: int) -> Batch:
    """The first minisets that fit into a budget of nodes, as a loader takes them."""
    graphs, nodes = [], 0
    for number in range(len(minisets)):
        graph = minisets[number]
        nodes += int(graph.num_nodes)
        if graphs and nodes > budget:
            break
        graphs.append(graph)
    return Batch.from_data_list(graphs)


def make_step(recipe: Recipe, model: StructureModel, batch: Batch) -> Callable[[], None]:
    """One training step, always of the same numbers."""
    std = batch.x.std(dim=0)

    def step() -> None:
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        model.zero_grad()
        augmented = augment(batch, recipe.training, std, generator)
        terms = structure_terms(model, augmented, recipe, walk_weight=0.3, generator=generator, gate_x=batch.x)
        torch.stack([weight * value for _, weight, value in terms]).sum().backward()

    return step


def elapsed(step: Callable[[], None], device: str, repeats: int = 12) -> float:
    """Median of milliseconds."""
    found = []
    for number in range(repeats + 5):
        start = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        if number >= 5:
            found.append(1e3 * (time.perf_counter() - start))
    return statistics.median(found)


def kernels(step: Callable[[], None]) -> tuple[int, float]:
    """Number of kernels of a step, copies included, and the sum of their milliseconds."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        step()
        torch.cuda.synchronize()
    events = [event for event in found.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return len(events), sum(event.device_time for event in events) / 1e3


def product_rate() -> float:
    """Float32 operations per millisecond of large matrix products."""
    a = torch.rand(8192, 8192, device="cuda")

    def run() -> None:
        a @ a

    return 2 * 8192**3 / elapsed(run, "cuda", 5)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ipa_lite", "gate_egnn", "generator_diffusion"])
    parser.add_argument("--budgets", nargs="+", type=int, default=[1024, 4096, 16384])
    parser.add_argument("--repeatable", action="store_true", help="sums in a fixed order, as `fit` takes them")
    parser.add_argument("--processor", action="store_true", help="measure one thread of the processor, too")
    arguments = parser.parse_args()
    find_device("cuda")  # refuses where there is none, and lets cuBLAS sum in a fixed order
    torch.set_num_threads(1)
    tissue = simulate_tissue("layers", slides=2, cells=1000, spots=1000, genes=500, seed=0)
    rate = product_rate()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, float32 products {rate / 1e9:.1f} TFLOP/s")
    print("| model | nodes | kernels | GPU, ms | busy, ms | arithmetic, ms | peak, MiB | processor, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.models:
        changes = {"embedding": {"kind": "spatial"}, "minisets": {"count": 120}, "model": {"kind": name}}
        recipe = Recipe.preset("quick").change(changes)
        minisets = prepare(recipe, tissue.slides, None, None, None).train
        for budget in arguments.budgets:
            batch = make_batch(minisets, budget)
            model = build_model(recipe, batch.x.size(1), seed=0).train()
            model.begin_training(1000)
            here = f"{elapsed(make_step(recipe, model, batch), 'cpu', 5):.0f}" if arguments.processor else "not run"
            model, batch = model.to("cuda"), batch.to("cuda")
            step = make_step(recipe, model, batch)
            with repeatable("cuda" if arguments.repeatable else "cpu"):
                there = elapsed(step, "cuda")
                torch.cuda.reset_peak_memory_stats()
                step()
                peak = torch.cuda.max_memory_allocated() / 2**20
                count, busy = kernels(step)
                with ProductCounter() as counter:
                    step()
            arithmetic = counter.total / rate
            print(
                f"| `{name}` | {batch.num_nodes:,} | {count:,} | {there:.0f} | {busy:.1f} | {arithmetic:.2f} "
                f"| {peak:,.0f} | {here} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
