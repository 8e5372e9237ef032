"""Inputs that must ruin a layout: a model that does well on them did not read what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.gap_decomposition import miniset_energies
from pyg_gears.losses.energy import STRESS_WEIGHT
from pyg_gears.losses.membership import membership
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import Metric

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

PILLS = ("shuffled", "other_miniset", "random", "random_graph")


class PoisonPills(NamedTuple):
    """E_geo with poisoned inputs, means over minisets.

    Attributes:
        minisets: Number of minisets.
        clean: E_geo without poison.
        energy: Pill -> E_geo. "shuffled": the rows of the embedding H change places within the miniset; "other_miniset":
            rows of another miniset (NaN where there is one only); "random": normal rows with H's mean and covariance;
            "random_graph": H is clean, candidates are drawn uniformly, as many for each node as it had.
        factor: Pill -> energy over ``clean``.
        worse: Pill -> whether the energy rose: the direction in which it must fail.
        share_worse: Pill -> share of minisets whose energy rose.
    """

    minisets: int
    clean: float
    energy: dict[str, float]
    factor: dict[str, float]
    worse: dict[str, bool]
    share_worse: dict[str, float]


def poison_pills(
    model: StructureModel,
    minisets: Minisets,
    k: int,
    metric: Metric,
    seed: int = 0,
    node_budget: int = 1024,
    *,
    mutual: bool = False,
    jaccard: float = 0.0,
    projection: Float[Tensor, "c d"] | None = None,
) -> PoisonPills:
    """Lay minisets out from poisoned inputs, and measure against their own targets.

    Candidates are searched in the poisoned embedding, as inference would, and the model's gate is computed on them. Draws
    depend on the seed and the number of the miniset alone, not on its company. The donor of "other_miniset" is the next
    miniset by number that is at least as large, else the largest other one, whose rows then repeat.

    Args:
        model: Structure model.
        minisets: Minisets with targets.
        k: Candidates per node, as in training.
        metric: "cosine" or "euclidean", as in training.
        seed: Seed of the draws.
        node_budget: Most nodes of a batch.
        mutual: As in training.
        jaccard: As in training.
        projection: As in training.

    Raises:
        InputError: when there is no miniset.
    """
    search = CandidateGraph(k, metric, mutual, jaccard, projection)
    table = MinisetTable(len(minisets))
    sizes = [int(minisets[i].num_nodes or 0) for i in range(len(minisets))]

    def energy(batch: Any, edges: Tensor) -> Any:
        walk, stress = miniset_energies(model(batch, edge_index=edges).pos, batch)
        return walk + STRESS_WEIGHT * stress

    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            clean, x = search.batch_edges(batch), batch.x
            table.add("clean", ids, energy(batch, clean))
            first = membership(batch, x.size(0)).ptr[:-1].tolist()
            graphs = [
                (x[a : a + sizes[i]], Generator().manual_seed(seed * 1_000_003 + i))
                for a, i in zip(first, ids, strict=True)
            ]
            poisons = {
                "shuffled": [own[torch.randperm(len(own), generator=g).to(own.device)] for own, g in graphs],
                "other_miniset": [
                    _rows(minisets[donor].x.to(own), len(own), g)
                    for (own, g), i in zip(graphs, ids, strict=True)
                    if (donor := _donor(sizes, i)) is not None
                ],
                "random": [matched_noise(own, g) for own, g in graphs],
            }
            for name, parts in poisons.items():
                if parts:
                    poisoned = batch.clone()
                    poisoned.x = torch.cat(parts)
                    table.add(name, ids, energy(poisoned, search.batch_edges(poisoned)))
            table.add("random_graph", ids, energy(batch, _random_edges(clean, first, [(len(o), g) for o, g in graphs])))
    if len(minisets) == 1:
        table.add("other_miniset", [], torch.empty(0))
    clean_energy = table.mean("clean")
    found = {name: table.mean(name) for name in PILLS}
    return PoisonPills(
        minisets=len(minisets),
        clean=clean_energy,
        energy=found,
        factor={name: value / clean_energy for name, value in found.items()},
        worse={name: value > clean_energy for name, value in found.items()},
        share_worse={name: _share_above(table.values(name), table.values("clean")) for name in PILLS},
    )


def _share_above(values: Float[np.ndarray, " m"], clean: Float[np.ndarray, " m"]) -> float:
    known = ~np.isnan(values)
    return float((values > clean)[known].mean()) if known.any() else float("nan")


def matched_noise(x: Float[Tensor, "n c"], generator: Generator) -> Float[Tensor, "n c"]:
    r"""Normal rows with exactly the mean and covariance of ``x``.

    With :math:`x - \bar x = U S V^T`, U is replaced by an orthonormal basis of as many random centred columns.
    """
    values = x.double().cpu()
    mean = values.mean(dim=0)
    _, scale, axes = torch.linalg.svd(values - mean, full_matrices=False)
    rank = min(scale.numel(), max(len(values) - 1, 0))
    noise = torch.randn(len(values), rank, generator=generator, dtype=torch.float64)
    basis, _ = torch.linalg.qr(noise - noise.mean(dim=0))
    return (mean + (basis * scale[:rank]) @ axes[:rank]).to(x)


def _donor(sizes: list[int], own: int) -> int | None:
    """The next miniset, going round, of at least the size; else the largest other one."""
    others = [(own + step) % len(sizes) for step in range(1, len(sizes))]
    enough = [i for i in others if sizes[i] >= sizes[own]]
    return enough[0] if enough else max(others, key=sizes.__getitem__, default=None)


def _rows(x: Tensor, count: int, generator: Generator) -> Tensor:
    """``count`` random rows, none twice before all were drawn once."""
    order = [torch.randperm(len(x), generator=generator) for _ in range(-(-count // len(x)))]
    return x[torch.cat(order)[:count].to(x.device)]


def _random_edges(
    edges: Int[Tensor, "2 e"], first: list[int], graphs: list[tuple[int, Generator]]
) -> Int[Tensor, "2 e"]:
    """As many uniformly drawn sources for every node as it had (itself among them), sorted by target, then source."""
    degree, parts = edges[1].bincount().cpu(), []
    for start, (n, generator) in zip(first, graphs, strict=True):
        draw = torch.rand(n, n, generator=generator).fill_diagonal_(-1.0)
        rank = draw.argsort(dim=1).argsort(dim=1)
        parts.append((rank < degree[start : start + n, None]).nonzero().T.flip(0) + start)
    return torch.cat(parts, dim=1).to(edges.device)
