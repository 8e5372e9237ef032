"""Candidates searched anew for minisets that are probed with other embeddings or another k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs import candidate_graph
from pyg_gears.typing import Metric


@dataclass(frozen=True)
class CandidateChoice:
    """How candidates are found, as for :func:`pyg_gears.graphs.candidate_graph`."""

    k: int
    metric: Metric
    mutual: bool = False
    jaccard: float = 0.0
    projection: Float[Tensor, "c d"] | None = None

    def edges(self, batch: Any) -> Int[Tensor, "2 e"]:
        """Candidates of every graph of a batch."""
        # On the CPU, where the candidates of training are found: the same embedding gives the same graph, bit for bit.
        return candidate_graph(
            batch.x.cpu(),
            k=self.k,
            metric=self.metric,
            mutual=self.mutual,
            jaccard=self.jaccard,
            projection=None if self.projection is None else self.projection.cpu(),
            batch=batch.batch.cpu(),
        ).to(batch.x.device)
