"""Patches: overlapping sets of cells, each small enough for the model, that together cover every cell several times."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from pyg_gears.errors import expect
from pyg_gears.seeds import child_seed

WALKERS = 64
RESTART = 12.0
"""Chance of a step back to the seed, times the patch size: the reach of a walk is about that of its patch."""


@dataclass(frozen=True)
class PatchesOutput:
    """All patches in one flat list of cells."""

    cells: Int[np.ndarray, " total"]
    """Cells of patch 0, of patch 1, ...; ascending and without repeats inside a patch."""
    ptr: Int[np.ndarray, " p1"]
    """Where each patch begins, shape (patches + 1,)."""
    is_global: Bool[np.ndarray, " p"]
    """True for a uniform draw over all cells, False for a random walk."""
    n: int
    """Cells in the query."""

    def __len__(self) -> int:
        return len(self.ptr) - 1

    def __getitem__(self, patch: int) -> Int[np.ndarray, " m"]:
        return self.cells[self.ptr[patch] : self.ptr[patch + 1]]

    @property
    def membership(self) -> csr_array:
        """Ones where a patch (row) holds a cell (column), shape (patches, n)."""
        return csr_array((np.ones(len(self.cells)), self.cells, self.ptr), shape=(len(self), self.n))


def draw_patches(
    graph: csr_array,
    size: int = 256,
    min_cover: int = 4,
    overlap: int = 32,
    global_share: float = 0.5,
    seed: int = 0,
) -> PatchesOutput:
    """Local patches by random walks with restart on the locality graph, and global ones by uniform draws.

    * Global: ``round(global_share * min_cover)`` times, but at least twice if the share is not zero (once would leave them
      without a cell in common), all cells are shuffled and cut into patches, so that every cell is in that many of them. They
      carry the long-range measurements; local patches alone leave a global warp in any layout.
    * Local: from the least covered cells, walkers set out over the graph (returning to the seed with probability 12 / size per
      step); the most visited cells, those not yet covered first, form the patch. Repeated until every cell is in
      ``min_cover`` patches in all, and in one local patch at least.
    * Where the local patches, joined when they share ``overlap`` cells, fall into parts, bridge patches (half of either side)
      join them.

    The work per patch does not depend on the number of cells.

    Args:
        graph: Symmetric connected adjacency, (n, n), with sorted indices.
        size: Cells per patch, at least 2; a query of no more cells becomes one patch.
        min_cover: Patches that every cell is in, at least 1.
        overlap: Cells that neighbouring local patches share, at most half of ``size``.
        global_share: Share of the cover that global patches give, in [0, 1].
        seed: Same seed, same patches.

    Returns:
        The patches, global ones first; all have ``size`` cells (or all the cells there are).
    """
    n = graph.shape[0]
    expect(size >= 2, f"expected patches of at least 2 cells, found {size}; raise patch_size.")
    expect(min_cover >= 1, f"expected min_cover of at least 1, found {min_cover}; raise it.")
    expect(
        0 <= overlap <= size // 2, f"expected an overlap of 0 to {size // 2} (half a patch), found {overlap}; lower it."
    )
    expect(0 <= global_share <= 1, f"expected global_share in [0, 1], found {global_share}; it is a share.")
    if n <= size:
        return PatchesOutput(np.arange(n), np.array([0, n]), np.array([False]), n)
    rng = np.random.default_rng(child_seed(seed, "patches"))
    passes = max(2, round(global_share * min_cover)) if global_share > 0 else 0
    wide = [patch for _ in range(passes) for patch in _partition(n, size, rng)]
    local = list(_cover(graph, size, max(1, min_cover - passes), rng))
    local += _bridge(graph, local, size, max(overlap, 1))
    every = [np.sort(patch) for patch in wide + local]
    ptr = np.concatenate([[0], np.cumsum([len(patch) for patch in every])])
    return PatchesOutput(np.concatenate(every), ptr, np.arange(len(every)) < len(wide), n)


def _partition(n: int, size: int, rng: np.random.Generator) -> list[Int[np.ndarray, " m"]]:
    """A random partition of the cells; the last part is filled up to ``size`` with cells of the others."""
    order = rng.permutation(n)
    order = np.concatenate([order, order[: -n % size]])
    return list(order.reshape(-1, size))


def _cover(graph: csr_array, size: int, cover: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, " m"]]:
    """Walk patches until every cell is in ``cover`` of them."""
    seen, visited = np.zeros(graph.shape[0], dtype=np.int64), np.zeros(graph.shape[0], dtype=bool)
    for level in range(1, cover + 1):
        # Every cell gets its turn in a random order; those that are covered by then are skipped.
        for cell in rng.permutation(len(seen)):
            if seen[cell] < level:
                patch = _walk(graph, int(cell), size, seen, level, visited, rng)
                seen[patch] += 1
                yield patch


def _walk(
    graph: csr_array,
    seed: int,
    size: int,
    seen: Int[np.ndarray, " n"],
    level: int,
    visited: Bool[np.ndarray, " n"],
    rng: np.random.Generator,
) -> Int[np.ndarray, " m"]:
    """The ``size`` cells that walkers from ``seed`` visit most; cells seen fewer than ``level`` times count sixteenfold.

    ``visited`` is false everywhere, before and after: made once, as it is as long as the query.
    """
    here = np.full(WALKERS, seed)
    trace = [here[:1]]
    visited[seed], found = True, 1
    for step in range(1, 64 * max(1, -(-size // WALKERS)) + 1):
        pick = rng.random((2, WALKERS))
        first_edge = graph.indptr[here]
        onward = graph.indices[first_edge + (pick[0] * (graph.indptr[here + 1] - first_edge)).astype(np.int64)]
        here = np.where(pick[1] < min(RESTART / size, 0.5), seed, onward)
        trace.append(here)
        if step % 8 == 0:
            last = np.concatenate(trace[-8:])
            found += len(np.unique(last[~visited[last]]))
            visited[last] = True
            if found >= 8 * size:
                break
    cells, first, visits = np.unique(np.concatenate(trace), return_index=True, return_counts=True)
    visited[cells] = False
    score = visits * np.where(seen[cells] < level, 16.0, 1.0)
    score[cells == seed] = np.inf
    patch = cells[np.lexsort((first, -score))[:size]].astype(np.int64)
    # Where the walkers stay in a small pocket, its surroundings fill the patch.
    return _filled(patch, _breadth_first(graph, seed), size) if len(patch) < size else patch


def _bridge(
    graph: csr_array, patches: list[Int[np.ndarray, " m"]], size: int, overlap: int
) -> list[Int[np.ndarray, " m"]]:
    """Patches that join the parts into which the overlap graph of ``patches`` falls."""
    n = graph.shape[0]
    cells, ptr = np.concatenate(patches), np.cumsum([0, *(len(patch) for patch in patches)])
    member = csr_array((np.ones(len(cells)), cells, ptr), shape=(len(patches), n))
    shared = (member @ member.T).tocoo()
    strong = shared.data >= overlap
    joined = csr_array((shared.data[strong], (shared.row[strong], shared.col[strong])), shape=shared.shape)
    count, label = connected_components(joined, directed=False)
    if count == 1:
        return []
    # Contact of two patches: cells shared plus graph edges across. The graph is connected, so this joins all patches.
    contact = (member @ (graph @ member.T) + member @ member.T).tocoo()
    across = label[contact.row] < label[contact.col]
    row, col, strength = contact.row[across], contact.col[across], contact.data[across]
    order = np.argsort(-strength, kind="stable")
    key = label[row[order]].astype(np.int64) * count + label[col[order]]
    best = order[np.sort(np.unique(key, return_index=True)[1])]
    rank = np.arange(1, len(best) + 1, dtype=np.float64)
    tree = minimum_spanning_tree(csr_array((rank, (label[row[best]], label[col[best]])), shape=(count, count)))
    chosen = best[tree.data.astype(np.int64) - 1]
    return [_halves(graph, patches[row[edge]], patches[col[edge]], size) for edge in chosen]


def _halves(graph: csr_array, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " m"], size: int) -> Int[np.ndarray, " m"]:
    """Half a patch of each side, nearest to where they touch, filled up from around there."""
    in_a, in_b = set(a.tolist()), set(b.tolist())
    reach = [sum(other in in_b for other in _neighbors(graph, cell)) + (cell in in_b) for cell in a.tolist()]
    contact = int(a[np.argmax(reach)])
    half: set[int] = set()
    from_a = from_b = 0
    for cell in _breadth_first(graph, contact):
        if cell in in_a and from_a < size // 2:
            half.add(cell)
            from_a += 1
        if cell in in_b and from_b < size // 2:
            half.add(cell)
            from_b += 1
        if from_a == from_b == size // 2:
            break
    return _filled(np.array(sorted(half)), _breadth_first(graph, contact), size)


def _filled(patch: Int[np.ndarray, " m"], order: Iterator[int], size: int) -> Int[np.ndarray, " m"]:
    """The patch with the first cells of ``order`` that it lacks."""
    cells = dict.fromkeys(patch.tolist())
    for cell in order:
        if len(cells) == size:
            break
        cells[cell] = None
    return np.array(list(cells), dtype=np.int64)


def _breadth_first(graph: csr_array, start: int) -> Iterator[int]:
    """Cells in the order of their steps from ``start``, one by one: taking a few costs nothing of the rest."""
    found, queue = {start}, deque([start])
    while queue:
        cell = queue.popleft()
        yield cell
        for other in _neighbors(graph, cell):
            if other not in found:
                found.add(other)
                queue.append(other)


def _neighbors(graph: csr_array, cell: int) -> list[int]:
    return list(graph.indices[graph.indptr[cell] : graph.indptr[cell + 1]].tolist())
