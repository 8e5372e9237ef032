"""A layout by patches, stage by stage, in units of a fixed number of matrix products; one thread, seconds of the processor.

The model is an untrained IPALite of the quick recipe's width: how long a stage takes does not depend on how good it is.

    python examples/benchmarks/layout_stages.py [--cells 2000] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import torch
from paired import alternate, product, write_ratios

from pyg_gears.layout import (
    LayoutSettings,
    PatchPredictor,
    draw_patches,
    fill_evenly,
    locality_graph,
    refine_neighbors,
    stitch_patches,
)
from pyg_gears.models import IPALite
from pyg_gears.transforms import CandidateGraph

CHANNELS = 10


def make_cells(cells: int, seed: int = 0) -> torch.Tensor:
    """Embeddings that are smooth functions of a place, with noise."""
    generator = torch.Generator().manual_seed(seed)
    pos = torch.rand(cells, 2, generator=generator) * 4
    waves = torch.cos(pos @ torch.randn(2, CHANNELS, generator=generator) + torch.arange(CHANNELS))
    return waves + 0.1 * torch.randn(cells, CHANNELS, generator=generator)


def stages(model: IPALite, x: torch.Tensor) -> Iterator[str]:
    """The stages of ``reconstruct_layout``; the name of each when it is done."""
    settings = LayoutSettings()
    candidates = CandidateGraph(k=100)
    predictor = PatchPredictor((model,), candidates, settings, progress=False)
    locality = locality_graph(x, settings.locality_neighbors, settings.jaccard, candidates.metric)
    patches = draw_patches(
        locality.graph, settings.patch_size, settings.min_cover, settings.shared_cells, settings.global_share
    )
    yield "locality graph and patches"
    pos = predictor.predict(x, patches).pos
    yield "prediction"
    solved = stitch_patches(patches, pos, settings).solved.pos
    yield "stitching and solve"
    filled = fill_evenly(solved, settings.fill)
    refine_neighbors(filled, (x,), rounds=settings.refinement_rounds, pull=settings.refinement_pull)
    yield "filling and refinement"


def main() -> None:
    """Run the rounds and print the stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=2000, help="more than a patch holds, 256")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="write the ratios to a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = IPALite.from_preset("d7", CHANNELS, hidden_channels=64, heads=4, head_channels=16, gate_channels=32)
    x = make_cells(arguments.cells)
    passed: list[dict[str, float]] = []

    def layout() -> None:
        seconds, last = {}, time.process_time()
        for stage in stages(model, x):
            now = time.process_time()
            seconds[stage], last = now - last, now
        passed.append(seconds)

    units = alternate({"product": product, "layout": layout}, arguments.rounds)["product"]
    measured = passed[1:]  # the first round is the one that is not measured
    names = list(measured[0])
    ratios = {n: statistics.median(one[n] / u for one, u in zip(measured, units, strict=True)) for n in names}
    whole = sum(ratios.values())
    print(f"{arguments.cells} cells\n{'stage':<30}{'seconds':>10}{'units':>8}{'share':>8}")
    for n in names:
        seconds = statistics.median(one[n] for one in measured)
        print(f"{n:<30}{seconds:>10.2f}{ratios[n]:>8.2f}{ratios[n] / whole:>8.0%}")
    write_ratios(arguments.json, {f"layout: {n}": value for n, value in ratios.items()} | {"layout: whole": whole})


if __name__ == "__main__":
    main()
