"""Nearest neighbours in an embedding: exact by matrix product, approximate by inverted lists for very large inputs."""

from __future__ import annotations

import time
import warnings
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import described, expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs.listed_neighbors import listed_neighbors
from pyg_gears.graphs.smallest import smallest

EXACT_LIMIT = 50_000
"""``method="auto"`` searches exactly up to this number of rows."""

CHUNK = 1024
"""Rows searched at a time. Fixed, because another chunk may round another way and so order near-ties differently."""

CHUNK_VALUES = 2**26
"""Distances held at a time at most (256 MB)."""

CACHED_VALUES = 2**22
"""Distances held at a time where that leaves ``LEAST_ROWS`` rows (16 MB): several passes over them find them in a cache."""

LEAST_ROWS = 64

LEAST_SORTED = 2**17
"""Distances that are sorted at once at least: small graphs in one go."""

PARTS = 8
"""Parts of a chunk that are sorted one after the other: sorting takes several copies of its input."""


class NeighborsOutput(NamedTuple):
    """Neighbours of every row, nearest first, ties by the lower index; never the row itself."""

    index: Int[Tensor, "n k"]  # type: ignore[assignment]  # hides tuple.index
    distance: Float[Tensor, "n k"]


def knn(
    x: Float[Tensor, "n c"],
    k: int,
    metric: Literal["cosine", "euclidean"] = "cosine",
    method: Literal["auto", "exact", "approximate"] = "auto",
) -> NeighborsOutput:
    r"""The k nearest other rows of every row.

    .. math:: d_{cos}(a, b) = 1 - \frac{a \cdot b}{\|a\| \|b\|}, \quad d_{euc}(a, b) = \|a - b\|

    Computed in float32. Equal rows are equally far from everything, bit for bit, so that ties are true ties.

    Args:
        x: Embedding, shape (n, c), finite.
        k: Neighbours per row, at least 1; clipped to n - 1.
        metric: "cosine" or "euclidean". A zero row has cosine distance 1 to all others, 0 to zero rows.
        method: "exact" takes O(n^2 c) time and, in addition to input and output, O(1024 n) memory, at most 400 MB.
            "approximate" looks through inverted lists and needs the extra ``scale``; of 100,000 simulated cells (10 to 40
            channels, k from 9 to 90) it found 0.9997 of the neighbours or more.
            "auto" is exact up to 50,000 rows and approximate above; without the extra it stays exact, and a warning says how
            long that will take.

    Returns:
        ``index`` (n, k) int64 and ``distance`` (n, k) float32.

    Raises:
        InputError: for an embedding that is no matrix of finite floats, k < 1 or an unknown metric or method.
        ImportError: for ``method="approximate"`` without faiss.

    >>> knn(torch.tensor([[0.0], [1.0], [3.0]]), 1, metric="euclidean").index.flatten()
    tensor([1, 0, 1])
    """
    check_sizes(k=k)
    expect(metric in ("cosine", "euclidean"), f"expected the metric cosine or euclidean, found {metric!r}; name one.")
    expect(
        method in ("auto", "exact", "approximate"),
        f"expected the method auto, exact or approximate, found {method!r}; name one.",
    )
    x = checked_embedding(x)
    expect(
        bool(torch.isfinite(x).all()),
        "expected a finite embedding, found NaN or infinite values; clean the embedding.",
    )
    k = max(min(k, x.size(0) - 1), 0)
    if k == 0:
        return NeighborsOutput(x.new_empty((x.size(0), 0), dtype=torch.long), x.new_empty((x.size(0), 0)))
    points = _directions(x) if metric == "cosine" else _centre(x)
    many = method == "auto" and x.size(0) > EXACT_LIMIT
    approximate = method == "approximate" or (many and _has_faiss())
    index, square = listed_neighbors(points, k) if approximate else _exact(points, k, announce=many)
    return NeighborsOutput(index, square / 2 if metric == "cosine" else square.sqrt())


def checked_embedding(x: Any) -> Float[Tensor, "n c"]:
    """An embedding in float32, without a gradient.

    Raises:
        InputError: when it is no matrix of floats.
    """
    expect(
        isinstance(x, Tensor) and x.dim() == 2 and x.is_floating_point(),
        f"expected a float embedding x of shape (n, c), found {described(x)}; give every node a row of floats.",
    )
    return x.detach().float()


def _directions(x: Tensor) -> Tensor:
    """Rows of length one, of which half the squared distance is the cosine distance; zero rows get an axis of their own."""
    points, zero = torch.nn.functional.normalize(x, dim=-1), (x == 0).all(dim=1)
    return torch.cat([points, zero[:, None].to(x)], dim=1) if bool(zero.any()) else points


def _centre(x: Tensor) -> Tensor:
    """Subtract the mean, against cancellation in the expanded square.

    The mean is rounded to a power of two near the spread, so that values on a lattice stay exact and tie exactly.
    """
    mean = x.mean(dim=0)
    spread = (x - mean).abs().max().clamp(min=1e-30)
    quantum = torch.exp2(torch.floor(torch.log2(spread)))
    return x - torch.round(mean / quantum) * quantum


def _exact(points: Tensor, k: int, *, announce: bool = False) -> tuple[Tensor, Tensor]:
    """Chunk by chunk; ``announce`` warns how long the whole will take, once ``CHUNK`` rows are done."""
    # A matrix product may round equal columns differently: every value is computed once, then shared by its copies.
    unique, copy_of = torch.unique(points, dim=0, return_inverse=True)
    n = points.size(0)
    copies = unique.size(0) < n
    if not copies:  # nothing to share: as they stand, which saves the spreading
        unique, copy_of = points, torch.arange(n, device=points.device)
    index, square = torch.empty(n, k, dtype=torch.long, device=points.device), points.new_empty(n, k)
    chunk = max(1, min(CHUNK, max(LEAST_ROWS, CACHED_VALUES // n), CHUNK_VALUES // n))
    begin = time.monotonic()
    for start in range(0, n, chunk):
        rows = slice(start, min(start + chunk, n))
        _fill(square[rows], index[rows], unique, copy_of, copies, start)
        if announce and rows.stop >= min(CHUNK, n):
            announce = False
            minutes = (time.monotonic() - begin) / rows.stop * n / 60
            warnings.warn(
                f"exact neighbours of {n:,} cells take about {max(1, round(minutes))} min; `pip install 'pyg-gears[scale]'` "
                "finds nearly all of them in less.",
                stacklevel=3,
            )
    return index, square


def _fill(square: Tensor, index: Tensor, unique: Tensor, copy_of: Tensor, copies: bool, start: int) -> None:
    """Write the neighbours of the rows from ``start`` on, as many as ``square`` and ``index`` have."""
    rows, norm = copy_of[start : start + square.size(0)], unique.square().sum(dim=-1)
    # In place, so that one copy of the chunk exists; duplicates are spread out a few rows at a time.
    distance = norm[rows, None] + norm
    distance.addmm_(unique[rows], unique.T, alpha=-2).clamp_(min=0)
    step = max(-(-rows.numel() // PARTS), LEAST_SORTED // max(1, unique.size(0)))
    for first in range(0, rows.numel(), step):
        part = distance[first : first + step]
        part = part[:, copy_of] if copies else part
        own = torch.arange(part.size(0), device=rows.device)
        part[own, own + start + first] = torch.inf
        square[first : first + step], index[first : first + step] = smallest(part, k=square.size(1))


def _has_faiss() -> bool:
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True
