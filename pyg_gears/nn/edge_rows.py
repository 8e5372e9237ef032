"""Edges as the rows of a sparse matrix, for products that keep nothing as wide as a node on an edge."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class EdgeRows:
    """Edges sorted by one of their ends. Built by :func:`edge_rows`.

    Attributes:
        order: The edge at each place of the matrix, shape (e,).
        start: Place of the first edge of each row, and e, shape (n + 1,).
        column: Other end of the edge at each place, shape (e,).
    """

    order: Int[Tensor, " e"]
    start: Int[Tensor, " n+1"]
    column: Int[Tensor, " e"]

    def _matrix(self, values: Float[Tensor, " e"]) -> Tensor:
        """The sparse matrix of these values, which are sorted as the edges are here."""
        _silence_beta()
        n = self.start.numel() - 1
        parts, device = (self.start, self.column, values), values.device  # not torch's default device
        return torch.sparse_csr_tensor(*parts, (n, n), device=device, check_invariants=False)

    def products(self, rows: Float[Tensor, "n h d"], columns: Float[Tensor, "n h d"]) -> Float[Tensor, "e h"]:
        """Product of the values at both ends of every edge, head by head."""
        empty = self._matrix(rows.new_zeros(self.order.numel()))
        found = [
            torch.sparse.sampled_addmm(empty, a, b.T, beta=0.0).values()
            for a, b in zip(rows.unbind(dim=1), columns.unbind(dim=1), strict=True)
        ]
        return rows.new_empty(self.order.numel(), rows.size(1)).index_copy_(0, self.order, torch.stack(found, dim=1))

    def sums(self, weights: Float[Tensor, "e h"], columns: Float[Tensor, "n h v"]) -> Float[Tensor, "n h v"]:
        """Weighted sum over the edges of every row of the values at their other end, head by head."""
        weights = weights.T.index_select(1, self.order)
        found = [self._matrix(w) @ b for w, b in zip(weights, columns.unbind(dim=1), strict=True)]
        return torch.stack(found, dim=1)


@cache
def _silence_beta() -> None:
    """Let torch say once, unheard, that the format is a beta.

    Not around every matrix: Python forgets which warnings it has shown when filters change, so that a caller's own, in a
    training loop, would be shown in every step.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.zeros(1, 1, device="cpu").to_sparse_csr()


def edge_rows(row: Int[Tensor, " e"], column: Int[Tensor, " e"], num_nodes: int) -> EdgeRows:
    """Sort edges by ``row``; in any order, repeats allowed."""
    order = row.argsort(stable=True)
    start = torch.bincount(row, minlength=num_nodes).cumsum(0)
    return EdgeRows(order, torch.cat([start.new_zeros(1), start]), column[order])
