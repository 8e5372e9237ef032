"""What several samples of one model share, and what they do not."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix, similarity_procrustes
from pyg_gears.lab.probes.evaluation_batches import Minisets, evaluation_batches
from pyg_gears.losses import geometric_energy
from pyg_gears.losses.membership import membership
from pyg_gears.models import StructureModel
from pyg_gears.seeds import child_seed


class SampleSpread(NamedTuple):
    """Samples of some minisets.

    Attributes:
        diversity: Mean Procrustes disparity of two samples of a miniset, mirrors allowed, in [0, 1]; 0 for a model that gives
            the same layout every time.
        sample_energy: Mean E_geo of a sample.
        mean_energy: Mean E_geo of the mean of a miniset's samples, each turned onto the first.
        quiet_energy: Mean E_geo of the layout without noise.
    """

    diversity: float
    sample_energy: float
    mean_energy: float
    quiet_energy: float


def check_samples(samples: int) -> None:
    """Check that samples can differ.

    Raises:
        InputError: for fewer than two.
    """
    expect(samples >= 2, f"expected two or more samples, found {samples}; raise their number.")


def sample_spread(
    model: StructureModel, minisets: Minisets, *, samples: int = 4, seed: int = 0, node_budget: int = 1024
) -> SampleSpread:
    """Draw layouts of every miniset with the model's own noise.

    Args:
        model: A model that samples, with its ``noise``.
        minisets: Minisets with targets and candidates.
        samples: Layouts of each, at least two.
        seed: Seed of the draws.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset, or for fewer than two samples.
    """
    check_samples(samples)
    apart: list[float] = []
    energies = {"sample": 0.0, "mean": 0.0, "quiet": 0.0}
    count = 0
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            drawn = [
                model(
                    batch,
                    noise=float(getattr(model, "noise", 1.0)),
                    generator=torch.Generator().manual_seed(child_seed(seed, "sample", ids[0], number)),
                ).pos
                for number in range(samples)
            ]
            sizes = membership(batch, int(batch.num_nodes)).size.tolist()
            centre, disparity = _mean_of(drawn, sizes)
            apart += disparity
            layouts = {"sample": drawn, "mean": [centre], "quiet": [model(batch).pos]}
            for name, several in layouts.items():
                each = [float(geometric_energy(pos, batch)) for pos in several]
                energies[name] += float(np.mean(each)) * len(ids)
            count += len(ids)
    return SampleSpread(float(np.mean(apart)), *(energies[name] / count for name in ("sample", "mean", "quiet")))


def _mean_of(drawn: list[Tensor], sizes: list[int]) -> tuple[Tensor, list[float]]:
    """The mean of aligned samples, graph by graph, in the gauge, and the disparity of every two."""
    graphs = [pos.split(sizes) for pos in drawn]
    centres, apart = [], []
    for number in range(len(sizes)):
        mine = [parts[number] for parts in graphs]
        onto = [similarity_procrustes(one, mine[0], allow_reflection=True).aligned for one in mine]
        centres.append(gauge_fix(torch.stack(onto).mean(dim=0)))
        apart += [float(similarity_procrustes(a, b, allow_reflection=True).disparity) for a, b in combinations(mine, 2)]
    return torch.cat(centres), apart
