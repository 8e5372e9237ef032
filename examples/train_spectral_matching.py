"""Train W_q and W_k of spectral attention: find every node of a graph again in a deformed copy of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pyg_gears.graphs import knn
from pyg_gears.transfer import SignalGraph, SpectralCrossAttention, align, describe

NODES, K = 300, 12
Pair = tuple[Tensor, Tensor, Tensor]


def graph_of(signal: Tensor, pos: Tensor) -> SignalGraph:
    """The kNN graph of a point cloud."""
    index = knn(pos, 8, metric="euclidean").index
    edges = torch.stack([index.flatten(), torch.arange(len(pos)).repeat_interleave(8)])
    return SignalGraph(signal.double(), pos.double(), edges)


def draw_graph(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A signal of two waves mixed from six, and places in a rectangle."""
    pos = torch.rand(NODES, 2, generator=generator) * torch.tensor([1.6, 1.0])
    waves = torch.randn(2, 6, generator=generator) * 4
    return torch.sin(pos @ waves + torch.arange(6)) @ torch.randn(6, 2, generator=generator), pos


def deformed_pair(signal: Tensor, pos: Tensor, generator: torch.Generator) -> Pair:
    """Bases of a graph and of its warped, shuffled, noisy copy, and for each node its counterpart in the copy."""
    bend = torch.randn(2, 2, generator=generator)
    moved = pos + 0.1 * torch.sin(3 * pos @ bend) + 0.02 * torch.randn(NODES, 2, generator=generator)
    order = torch.randperm(NODES, generator=generator)
    noisy = signal + 0.1 * torch.randn(signal.shape, generator=generator)
    target = describe(graph_of(signal, pos), "graph", k=K)
    copy = describe(graph_of(noisy[order], moved[order]), "copy", k=K)
    return target.phi.float(), (copy.phi @ align(copy, target).rotation).float(), torch.argsort(order)


def accuracy(layer: SpectralCrossAttention, pairs: list[Pair]) -> float:
    """Share of the nodes whose counterpart is among the ten best of their row."""
    with torch.no_grad():
        hits = [
            (layer.scores(a, b).topk(10).indices == truth[:, None]).any(dim=1).float().mean() for a, b, truth in pairs
        ]
    return float(torch.stack(hits).mean())


def train(layer: SpectralCrossAttention, pairs: list[Pair], steps: int, generator: torch.Generator) -> None:
    """The counterpart is to have the largest score of a row; 64 rows a step."""
    optimiser = torch.optim.Adam([*layer.to_query.parameters(), *layer.to_key.parameters()], lr=0.003)
    for step in range(steps):
        a, b, truth = pairs[step % len(pairs)]
        rows = torch.randint(NODES, (64,), generator=generator)
        loss = cross_entropy(layer.scores(a[rows], b), truth[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def main(steps: int = 200, seed: int = 0, copies: int = 24) -> dict[str, float]:
    """Train on some copies of a graph, measure on eight that training has not seen."""
    generator = torch.Generator().manual_seed(seed)
    signal, pos = draw_graph(generator)
    pairs = [deformed_pair(signal, pos, generator) for _ in range(copies + 8)]
    torch.manual_seed(seed)
    layer = SpectralCrossAttention(K, 2, 2)
    found = {"identity": accuracy(layer, pairs[copies:])}
    train(layer, pairs[:copies], steps, generator)
    found["trained"] = accuracy(layer, pairs[copies:])
    for weight in (layer.to_query.weight, layer.to_key.weight):
        torch.nn.init.normal_(weight, std=K**-0.5)
    return found | {"random": accuracy(layer, pairs[copies:]), "chance": 10 / NODES}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:>9}: {value:.3f}")
