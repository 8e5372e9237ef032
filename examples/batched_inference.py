"""Layouts of many graphs of different size: in batches, and the same one by one."""

from __future__ import annotations

import time

import torch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.utils import unbatch

from pyg_gears.models import IPALite
from pyg_gears.transforms import CandidateGraph

CHANNELS = 32


def random_graphs(count: int = 40, seed: int = 0) -> list[Data]:
    """Embeddings of 1 to 300 cells, each with its candidate graph."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [1, 2, *torch.randint(20, 300, (count - 2,), generator=generator).tolist()]
    embed = CandidateGraph(k=30)
    return [embed(Data(x=torch.randn(n, CHANNELS, generator=generator))) for n in sizes]


@torch.no_grad()
def main() -> None:
    """Lay all graphs out both ways, compare and time."""
    torch.manual_seed(0)
    model = IPALite.from_preset("d7", CHANNELS).eval()
    for block in model.blocks:  # a fresh layer is the identity: move it, so that there is something to compare
        torch.nn.init.normal_(block.frame_weight, std=0.3)
        torch.nn.init.normal_(block.update_state[-1].weight, std=0.05)
    graphs = random_graphs()
    model(graphs[-1])  # the first call pays for start-up

    start = time.perf_counter()
    together = []
    for batch in DataLoader(graphs, batch_size=10):
        together += unbatch(model(batch).pos, batch.batch)
    middle = time.perf_counter()
    alone = [model(graph).pos for graph in graphs]
    end = time.perf_counter()

    difference = max(float((a - b).abs().max()) for a, b in zip(together, alone, strict=True))
    sizes = [graph.num_nodes for graph in graphs]
    print(f"{len(graphs)} graphs of {min(sizes)} to {max(sizes)} cells, {sum(g.num_edges for g in graphs)} edges")
    print(f"in batches of 10: {middle - start:.2f} s; one by one: {end - middle:.2f} s")
    print(f"largest difference of a coordinate: {difference:.1e}")
    assert difference < 1e-5


if __name__ == "__main__":
    main()
