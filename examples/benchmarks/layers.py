"""Our layers against those of PyG at the same width: time of forward and backward, and peak memory, paired in one run.

Graphs are rings in which every node is joined with its nearest on both sides, numbered at random: symmetric, every
degree the same. 64 channels, 4 heads of 16. The layers of PyG have no coordinates and, but for GPSConv, no MLP on the
nodes; GPSConv has a GIN inside and the linear attention, which alone reaches the larger graphs.

On the CPU seconds of the processor are compared, on a GPU those of the clock between two moments at which it is idle.

    python examples/benchmarks/layers.py [--nodes 1000 10000] [--degrees 10 100] [--rounds 5] [--device cpu] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from paired import added_mebibytes, in_a_fork, ratio, write_ratios
from torch import Tensor
from torch.nn import Linear, Module, ReLU, Sequential
from torch_geometric.nn import GATv2Conv, GINConv, GPSConv, TransformerConv

from pyg_gears.nn import ISAB, EdgeGate, EGNNConv, GateFormer, IPAConv

C, HEADS = 64, 4
RIVALS = ("GATv2Conv", "TransformerConv", "GPSConv")
Call = Callable[[Module, Tensor, Tensor, Tensor], Tensor]


def on_edges(layer: Module, x: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
    return layer(x, edge_index)


def with_places(layer: Module, x: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
    return torch.cat(layer(x, pos, edge_index), dim=1)


def on_sets(layer: Module, x: Tensor, pos: Tensor, edge_index: Tensor) -> Tensor:
    return layer(x)


def gps() -> Module:
    inner = GINConv(Sequential(Linear(C, C), ReLU(), Linear(C, C)))
    return GPSConv(C, inner, heads=HEADS, attn_type="performer")


LAYERS: dict[str, tuple[Callable[[], Module], Call]] = {
    "GATv2Conv": (lambda: GATv2Conv(C, C // HEADS, HEADS, add_self_loops=False), on_edges),
    "TransformerConv": (lambda: TransformerConv(C, C // HEADS, HEADS), on_edges),
    "GPSConv": (gps, on_edges),
    "IPAConv, edge": (lambda: IPAConv(C, HEADS, C // HEADS, layout="edge"), with_places),
    "IPAConv, auto": (lambda: IPAConv(C, HEADS, C // HEADS), with_places),
    "EGNNConv": (lambda: EGNNConv(C), with_places),
    "EdgeGate": (lambda: EdgeGate(C, C), on_edges),
    "GateFormer": (lambda: GateFormer(C, C, HEADS), on_edges),
    "ISAB": (lambda: ISAB(C, points=64, heads=HEADS), on_sets),
}


def make_graph(nodes: int, degree: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Features, coordinates and edges of a ring; ``degree`` even and below ``nodes``."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.arange(nodes)
    steps = torch.cat([torch.arange(1, degree // 2 + 1), -torch.arange(1, degree // 2 + 1)])
    ring = torch.stack([(place[:, None] + steps).remainder(nodes).flatten(), place.repeat_interleave(degree)])
    edge_index = torch.randperm(nodes, generator=generator)[ring]
    return torch.randn(nodes, C, generator=generator), torch.randn(nodes, 2, generator=generator), edge_index


def seconds_on(device: str) -> float:
    """The processor's time, or the clock once the GPU is idle."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def make_step(name: str, nodes: int, degree: int, device: str = "cpu") -> Callable[[], tuple[float, float]]:
    """One step of a layer, which gives its seconds forward and backward."""
    torch.manual_seed(0)
    build, call = LAYERS[name]
    layer, (x, pos, edge_index) = build().to(device), (part.to(device) for part in make_graph(nodes, degree))
    x.requires_grad_()

    def step() -> tuple[float, float]:
        layer.zero_grad()
        x.grad = None
        start = seconds_on(device)
        loss = call(layer, x, pos, edge_index).square().mean()
        middle = seconds_on(device)
        loss.backward()
        return middle - start, seconds_on(device) - middle

    return step


def warm_step(name: str, nodes: int, degree: int, device: str) -> Callable[[], tuple[float, float]]:
    """:func:`make_step` once what a first call loads is loaded."""
    make_step(name, 100, 10, device)()
    return make_step(name, nodes, degree, device)


def memory_on_cpu(name: str, nodes: int, degree: int) -> float:
    """MiB that one step adds, in a process of its own."""
    return added_mebibytes(warm_step(name, nodes, degree, "cpu"))


def memory_on_gpu(name: str, nodes: int, degree: int) -> float:
    """MiB that one step adds, by torch's count."""
    step = warm_step(name, nodes, degree, "cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def measure_memory(device: str, nodes: int, degree: int) -> dict[str, float]:
    """MiB that one step of each layer adds."""
    if device == "cpu":
        return {name: in_a_fork(memory_on_cpu, name, nodes, degree) for name in LAYERS}
    return {name: memory_on_gpu(name, nodes, degree) for name in LAYERS}


def compare(nodes: int, degree: int, rounds: int, memory: dict[str, float], device: str) -> dict[str, float]:
    """Print the table of one graph and give its ratios."""
    steps = {name: make_step(name, nodes, degree, device) for name in LAYERS}
    for step in steps.values():
        step()  # warm up
    measured = [{name: step() for name, step in steps.items()} for _ in range(rounds)]
    whole = {name: [sum(one[name]) for one in measured] for name in LAYERS}
    ahead = {name: [one[name][0] for one in measured] for name in LAYERS}
    back = {name: [one[name][1] for one in measured] for name in LAYERS}
    print(f"\n{nodes:,} nodes of degree {degree}: {nodes * degree:,} edges")
    heads = ["ms", *(f"/ {rival}" for rival in RIVALS), "forward", "backward", *(["MiB", "memory"] if memory else [])]
    print(f"{'layer':<16}" + "".join(f"{head:>{max(10, len(head) + 2)}}" for head in heads))
    ratios, base = {}, "TransformerConv"
    for name in LAYERS:
        row = [statistics.median(whole[name]) * 1e3, *(ratio(whole, name, rival) for rival in RIVALS)]
        row += [ratio(ahead, name, base), ratio(back, name, base)]
        row += [memory[name], memory[name] / memory[base]] if memory else []
        text = [f"{v:.1f}" if h in ("ms", "MiB") else f"{v:.2f}" for v, h in zip(row, heads, strict=True)]
        print(f"{name:<16}" + "".join(f"{v:>{max(10, len(h) + 2)}}" for v, h in zip(text, heads, strict=True)))
        if name not in RIVALS:
            rival = "GPSConv" if name == "ISAB" else base  # both read the whole set
            label = f"{name} / {rival}, {nodes} x {degree}"
            ratios[f"time: {label}"] = ratio(whole, name, rival)
            if memory and name != "ISAB":  # a few MiB, of which the allocator decides
                ratios[f"memory: {label}"] = memory[name] / memory[rival]
    return ratios


def main() -> None:
    """Run the graphs and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--degrees", type=int, nargs="+", default=[10, 100], help="even numbers below the nodes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--no-memory", action="store_true", help="leave out the memory")
    parser.add_argument("--json", metavar="FILE", help="write the ratios to a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [(nodes, degree) for nodes in arguments.nodes for degree in arguments.degrees]
    memory: dict[tuple[int, int], dict[str, float]] = {size: {} for size in sizes}
    if not arguments.no_memory:
        memory = {size: measure_memory(arguments.device, *size) for size in sizes}
    print("/ LAYER: time of forward and backward over that layer's, median of the rounds;")
    print("forward, backward, memory: over those of TransformerConv")
    ratios: dict[str, float] = {}
    for size in sizes:
        ratios |= compare(*size, arguments.rounds, memory[size], arguments.device)
    write_ratios(arguments.json, ratios)


if __name__ == "__main__":
    main()
