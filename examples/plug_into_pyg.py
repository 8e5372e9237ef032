"""EdgeGate and IPAConv inside an ordinary PyG node classifier, on a graph that has nothing to do with tissue.

A stochastic block model with more edges between the blocks than within, and features that hardly separate the blocks:
averaging over all neighbours mixes the classes, a gate that learns which edges stay within a block does not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import GAT, GATv2Conv
from torch_geometric.utils import add_self_loops, stochastic_blockmodel_graph

from pyg_gears.nn import EdgeGate, IPAConv

BLOCKS, SIZE, CHANNELS, HIDDEN = 4, 150, 16, 32


def block_graph(seed: int = 0) -> Data:
    """Four blocks of 150 nodes; about 9 neighbours within a node's block and 13 outside."""
    torch.manual_seed(seed)
    inside, outside = 0.06, 0.03
    probability = torch.full((BLOCKS, BLOCKS), outside).fill_diagonal_(inside)
    edge_index, _ = add_self_loops(stochastic_blockmodel_graph([SIZE] * BLOCKS, probability))
    y = torch.arange(BLOCKS).repeat_interleave(SIZE)
    x = torch.randn(BLOCKS, CHANNELS)[y] + 1.5 * torch.randn(len(y), CHANNELS)
    order = torch.randperm(len(y))
    train, test = torch.zeros(2, len(y), dtype=torch.bool)
    train[order[:100]] = True
    test[order[200:]] = True
    return Data(x=x, y=y, edge_index=edge_index, train_mask=train, test_mask=test)


class Gated(torch.nn.Module):
    """A GATv2 layer, then gated attention; the planar coordinates are a learned picture of the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = EdgeGate(CHANNELS)
        self.first = GATv2Conv(CHANNELS, HIDDEN // 4, heads=4)
        self.place = torch.nn.Linear(HIDDEN, 2)
        self.second = IPAConv(HIDDEN, heads=4, head_channels=8, geo="monotone")
        self.read_out = torch.nn.Linear(HIDDEN + 2, BLOCKS)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Class logits, shape (n, classes)."""
        state = self.first(x, edge_index).relu()
        state, pos = self.second(state, self.place(state), edge_index, self.gate(x, edge_index))
        return self.read_out(torch.cat([state, pos], dim=-1))


def accuracy(model: torch.nn.Module, data: Data, epochs: int = 60) -> float:
    """Train on the 100 labelled nodes; return the accuracy on the test nodes."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
    for _ in range(epochs):
        optimiser.zero_grad()
        logits = model(data.x, data.edge_index)
        torch.nn.functional.cross_entropy(logits[data.train_mask], data.y[data.train_mask]).backward()
        optimiser.step()
    with torch.no_grad():
        correct = model(data.x, data.edge_index).argmax(dim=-1) == data.y
    return correct[data.test_mask].float().mean().item()


def main() -> None:
    """Print the accuracy of both models on three graphs."""
    results = []
    for seed in range(3):
        data = block_graph(seed)
        baseline = GAT(CHANNELS, HIDDEN, num_layers=2, out_channels=BLOCKS, v2=True, heads=4)
        results.append([accuracy(baseline, data), accuracy(Gated(), data)])
    for name, column in zip(("GATv2, two layers", "GATv2 + EdgeGate + IPAConv"), torch.tensor(results).T, strict=True):
        print(f"{name:>27}: test accuracy {column.mean():.3f} ({', '.join(f'{a:.3f}' for a in column)})")


if __name__ == "__main__":
    main()
