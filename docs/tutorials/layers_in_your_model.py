# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # EdgeGate and IPAConv in your own model
#
# This page has two uses that have nothing to do with tissue: a node classifier on a graph whose edges mostly mislead, and a
# point cloud whose positions are recovered.
#
# As a notebook with its outputs: {nb-download}`layers_in_your_model.ipynb`.

# %%
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.nn import GAT, GATv2Conv
from torch_geometric.utils import add_self_loops, stochastic_blockmodel_graph

from pyg_gears.nn import EdgeGate, IPAConv

# %% [markdown]
# ## A node classifier
#
# Four blocks of 150 nodes, with more edges between blocks than within them, and features that hardly tell the blocks
# apart. Averaging over neighbours mixes the classes; a gate learns which edges stay within a block.

# %%
BLOCKS, SIZE, CHANNELS, HIDDEN = 4, 150, 16, 32


def block_graph(seed: int) -> Data:
    """About 9 neighbours within a node's block and 13 outside."""
    torch.manual_seed(seed)
    probability = torch.full((BLOCKS, BLOCKS), 0.03).fill_diagonal_(0.06)
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
        state = self.first(x, edge_index).relu()
        state, pos = self.second(state, self.place(state), edge_index, self.gate(x, edge_index))
        return self.read_out(torch.cat([state, pos], dim=-1))


def accuracy(model: torch.nn.Module, data: Data, epochs: int = 40) -> float:
    """Train on the 100 labelled nodes; the accuracy on the test nodes."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
    for _ in range(epochs):
        optimiser.zero_grad()
        logits = model(data.x, data.edge_index)
        torch.nn.functional.cross_entropy(logits[data.train_mask], data.y[data.train_mask]).backward()
        optimiser.step()
    with torch.no_grad():
        correct = model(data.x, data.edge_index).argmax(dim=-1) == data.y
    return correct[data.test_mask].float().mean().item()


# %%
for seed in range(3):
    data = block_graph(seed)
    plain = GAT(CHANNELS, HIDDEN, num_layers=2, out_channels=BLOCKS, v2=True, heads=4)
    gated = Gated()
    print(f"graph {seed}: GATv2 {accuracy(plain, data):.2f}, with EdgeGate and IPAConv {accuracy(gated, data):.2f}")

# %% [markdown]
# Three small graphs are no benchmark; they show that the pieces fit together. To see what the gate has learned, compare its
# logit for edges within a block and between blocks:

# %%
source, target = data.edge_index
inside, other = data.y[source] == data.y[target], source != target
with torch.no_grad():
    logits = gated.gate(data.x, data.edge_index)
print(f"mean logit within {logits[inside & other].mean():.2f}, between {logits[~inside].mean():.2f}")

# %% [markdown]
# ## Explain and compile the model
#
# Edge masks, as PyG's explainers set them, act on the layers; `torch.compile` makes one graph for all sizes. What
# else is supported is in [a table whose cells are tested](../layers.md#support).

# %%
compiled = torch.compile(gated, dynamic=True, backend="aot_eager")  # the default backend needs a C++ compiler
with torch.no_grad():
    difference = (compiled(data.x, data.edge_index) - gated(data.x, data.edge_index)).abs().max()
print(f"largest difference {difference:.1e}")

# %% [markdown]
# ## A point cloud
#
# There are 200 points on a disc, seen through a noisy 8-channel embedding and through coordinates that are mostly noise.
# `IPAConv` moves every point towards the points that it attends to; the gate learns from the loss alone which ones
# those are. The loss compares distances, so it does not depend on pose.

# %%
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.metrics import evaluate_layout
from pyg_gears.transforms import CandidateGraph, GeometricTargets


def cloud(seed: int) -> tuple[Data, Tensor, Tensor]:
    """A graph with candidates and targets, noisy coordinates, the truth."""
    generator = torch.Generator().manual_seed(seed)
    angle, radius = 6.2832 * torch.rand(200, generator=generator), torch.rand(200, generator=generator).sqrt()
    truth = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1)
    waves = torch.cos(2 * truth @ torch.randn(2, 8, generator=torch.Generator().manual_seed(0)) + torch.arange(8))
    x = waves + 0.2 * torch.randn(200, 8, generator=generator)
    noisy = gauge_fix(truth) + 0.8 * torch.randn(200, 2, generator=generator)
    return GeometricTargets()(CandidateGraph(k=20)(Data(x=x, pos=truth))), noisy, truth


class Denoiser(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.embed = EdgeGate(8), torch.nn.Linear(8, 16)
        self.rounds = torch.nn.ModuleList(IPAConv(16, heads=2, head_channels=8) for _ in range(2))

    def forward(self, graph: Data, pos: Tensor) -> Tensor:
        state, gate = self.embed(graph.x), self.gate(graph.x, graph.edge_index)
        for layer in self.rounds:
            state, pos = layer(state, gauge_fix(pos), graph.edge_index, gate)
        return gauge_fix(pos)


torch.manual_seed(0)
model = Denoiser()
optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
for step in range(150):
    graph, noisy, _ = cloud(step % 10)
    loss = linear_stress(model(graph, noisy), graph)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()

graph, noisy, truth = cloud(99)  # a cloud that training has not seen
with torch.no_grad():
    moved = model(graph, noisy)
for name, pos in (("noisy", noisy), ("after two layers", moved)):
    scores = evaluate_layout(pos.numpy(), truth.numpy())
    print(f"{name:>17}: Spearman {scores['spearman']:.2f}, Trust@20 {scores['trust_20']:.2f}")
