"""Minisets and a model without weights, for the probes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import Compose

from pyg_gears.data import EmbeddedSlide, MinisetDataset, MinisetRecipe
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.models import StructureOutput
from pyg_gears.nn import AttentionTerms
from pyg_gears.transforms import CandidateGraph, GeometricTargets

CHANNELS = 8


class ReadingModel:
    """Reads coordinates from the first two channels of x, and averages them over the attended: no weights at all.

    ``gate_of(x, edge_index)`` gives the gate; by default falling with the distance in the first two
    channels. A node keeps the share ``stay`` of its place.
    """

    beta = 1.0

    def __init__(
        self,
        recycles: int = 2,
        heads: int = 2,
        gate_of: Callable[[Tensor, Tensor], Tensor] | None = None,
        stay: float = 0.5,
    ) -> None:
        self.recycles, self.heads, self.stay = recycles, heads, stay
        self.gate = gate_of or (lambda x, e: -10 * (x[e[0], :2] - x[e[1], :2]).square().sum(dim=1))

    def __call__(
        self, batch, edge_index=None, gate_logits=None, use_gate=True, *, beta=None, return_terms=False, **_
    ) -> StructureOutput:
        edges = batch.edge_index if edge_index is None else edge_index
        if gate_logits is None and use_gate:
            gate_logits = self.gate(batch.x, edges)
        n = batch.x.size(0)
        initial = gauge_fix(batch.x[:, :2], batch.batch)
        pos, trajectory, terms = initial, [], []
        for recycle in range(self.recycles):
            qk = torch.sin(
                7.0 * torch.arange(edges.size(1))[:, None] * torch.arange(1, self.heads + 1) + recycle
            ).float()
            gate = torch.zeros_like(qk)
            if gate_logits is not None:
                gate = gate + (self.beta if beta is None else beta) * gate_logits[:, None]
            geo = -(pos[edges[0]] - pos[edges[1]]).square().sum(dim=1)[:, None].expand_as(qk)
            pair = torch.zeros_like(qk)
            log_alpha = [segment_log_softmax((qk + gate + geo)[:, h], edges[1], n) for h in range(self.heads)]
            alpha = torch.stack(log_alpha, dim=1).exp().float()
            seen = torch.zeros(n, 2).index_add(0, edges[1], alpha.mean(dim=1)[:, None] * pos[edges[0]])
            pos = gauge_fix(self.stay * pos + (1 - self.stay) * seen, batch.batch)
            trajectory.append(pos)
            terms.append(AttentionTerms(qk=qk, geo=geo, gate=gate, pair=pair, alpha=alpha))
        return StructureOutput(
            coordinates=(initial, *trajectory),
            state=batch.x,
            gate_logits=gate_logits,
            edge_index=edges,
            terms=tuple(terms) if return_terms else None,
        )


def tissue(name: str, spots: int, seed: int) -> EmbeddedSlide:
    """A slide whose embedding holds the coordinates, blurred a little, and channels without meaning."""
    generator = torch.Generator().manual_seed(seed)
    pos = torch.rand(spots, 2, generator=generator, dtype=torch.float64)
    near = gauge_fix(pos) + 0.05 * torch.randn(spots, 2, generator=generator, dtype=torch.float64)
    rest = 0.1 * torch.randn(spots, CHANNELS - 2, generator=generator, dtype=torch.float64)
    return EmbeddedSlide(name, torch.cat([near, rest], dim=1).float(), pos)


@pytest.fixture(scope="session")
def make_minisets() -> Callable[..., MinisetDataset]:
    """Minisets of two slides of 120 spots, 6 of 30 to 50 spots, 14 euclidean candidates and 8 true neighbours a spot."""

    def make(
        count: int = 6, k: int = 14, metric: str = "euclidean", low: int = 30, high: int = 50, true_k: int = 8
    ) -> MinisetDataset:
        slides = [tissue("a", 120, 0), tissue("b", 120, 1)]
        recipe = MinisetRecipe(count=count, min_size=low, max_size=high)
        transform = Compose([GeometricTargets(k=true_k), CandidateGraph(k=k, metric=metric)])
        return MinisetDataset(slides, recipe, pre_transform=transform)

    return make


@pytest.fixture(scope="session")
def minisets(make_minisets) -> MinisetDataset:
    return make_minisets()


@pytest.fixture(scope="session")
def crowded(make_minisets) -> MinisetDataset:
    """Three minisets whose spots have more than 30 candidates, and more than 30 true neighbours."""
    return make_minisets(count=3, k=38, low=60, high=70, true_k=33)


@pytest.fixture
def reading_model() -> type[ReadingModel]:
    return ReadingModel


@pytest.fixture(scope="session")
def transitions() -> Callable[[Data], Tensor]:
    """T_ref of one miniset as a dense (n, n) float64 table, row = target, computed entry by entry."""

    def dense(graph: Data) -> Tensor:
        n = int(graph.num_nodes)
        table = torch.zeros(n, n, dtype=torch.float64)
        for (j, i), log_ref, m in zip(
            graph.rw_edge_index.T.tolist(), graph.rw_log_ref.tolist(), graph.rw_multiplicity.tolist(), strict=True
        ):
            table[i, j] = m * torch.tensor(log_ref, dtype=torch.float64).exp()
        return table / table.sum(dim=1, keepdim=True)

    return dense
