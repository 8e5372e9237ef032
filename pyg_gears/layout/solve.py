"""The global solve: one layout from a sparse graph of measured distances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.errors import expect
from pyg_gears.geometry import morton_order
from pyg_gears.geometry.geodesics import landmark_mds, landmark_paths
from pyg_gears.layout.connectivity import pieces

HUBER = 1.345 * 1.4826
"""Residuals beyond this many median absolute residuals count linearly (95 % efficient for Gaussian errors)."""
SETTLING = (4, 3, 3)
"""Rounds before the Huber threshold is read off the residuals: of plain stress, then twice with the one so far."""
CG_STEPS = 10
LANDMARKS = 32
EDGES = 2**14
"""Edges whose lengths are computed at a time: a dozen arrays of them stay in a cache."""
LEAST_PULL = 1e-12
"""Least pull of a cell to its start, for a mean weight of 1: with less, rounding moves the whole layout away."""
TOLERANCE = 1e-6
"""The solve stops early when a round lowers the objective by less than this share."""


@dataclass(frozen=True)
class SolveOutput:
    """A layout and how well it meets the distances."""

    pos: Float[np.ndarray, "n 2"]
    """Coordinates, in the unit of the distances."""
    history: tuple[float, ...]
    """Huber objective before the first and after every round (from the final threshold on); never rises."""
    threshold: float
    """Huber threshold on the standardised residual; on the residual itself where one was given."""
    residual: Float[np.ndarray, " e"]
    """| layout distance - measured distance | of every edge."""

    def report(self, weight: Float[np.ndarray, " e"], distance: Float[np.ndarray, " e"]) -> dict[str, float]:
        """Stress-1 (weighted) and mean, median and maximum residual, in the unit of the distances."""
        square = float((weight * distance**2).sum())
        return {
            "stress": float(np.sqrt((weight * self.residual**2).sum() / square)) if square > 0 else 0.0,
            "residual_mean": float(self.residual.mean()),
            "residual_median": float(np.median(self.residual)),
            "residual_max": float(self.residual.max()),
        }


def isomap_start(n: int, pairs: Int[np.ndarray, "2 e"], distance: Float[np.ndarray, " e"]) -> Float[np.ndarray, "n 2"]:
    """Landmark Isomap: shortest paths from 32 farthest-point landmarks, classical scaling, triangulation.

    Args:
        n: Cells.
        pairs: Edges, each once, shape (2, e); they must connect all cells.
        distance: Their lengths, shape (e,).

    Returns:
        Coordinates, shape (n, 2), with a jitter of 1e-6 of their extent, which separates coinciding cells.
    """
    length = np.maximum(distance, 1e-9 * max(float(distance.max(initial=0.0)), 1e-30))
    graph = csr_array((length, (pairs[0], pairs[1])), shape=(n, n))
    graph = csr_array(graph + graph.T)
    paths = landmark_paths(graph, LANDMARKS)
    pos = landmark_mds(paths.landmarks, paths.distance)
    extent = float(np.sqrt((pos**2).sum(axis=1).mean())) or 1.0
    return pos + 1e-6 * extent * np.random.default_rng(0).standard_normal(pos.shape)


def solve_layout(
    n: int,
    pairs: Int[np.ndarray, "2 e"],
    distance: Float[np.ndarray, " e"],
    weight: Float[np.ndarray, " e"] | None = None,
    start: Float[np.ndarray, "n 2"] | None = None,
    iterations: int = 30,
    anchor: float = 1e-3,
    huber: float | None = None,
    anchor_fade: float = 1.0,
) -> SolveOutput:
    r"""Minimise the weighted Huber stress, with a small pull to the start.

    .. math::
        \sum_{ij} \rho_\delta(\sqrt{w_{ij}} (\|x_i - x_j\| - d_{ij}))
        + \tfrac{\alpha}{2} \sum_i W_i \|x_i - x_i^0\|^2, \quad W_i = \sum_j w_{ij}

    Two majorisations: the Huber function by a weighted square (iterative reweighting), the stress by de Leeuw's quadratic
    (SMACOF). The quadratic is lowered by conjugate gradients with Jacobi preconditioning from the current layout, so every
    round lowers the objective, however few steps it takes. There is no step size.

    Args:
        n: Cells, at least 1.
        pairs: Edges, each once, shape (2, e).
        distance: Measured distances, shape (e,), non-negative.
        weight: Inverse variances, shape (e,), non-negative; ones if omitted. Only ratios matter.
        start: Start layout, shape (n, 2); landmark Isomap if omitted (which needs a connected graph).
        iterations: Rounds at most, after 10 in which the Huber threshold settles.
        anchor: alpha, at least 0.
        huber: delta, above 0, on the residual itself, :math:`w \rho_\delta(\|x_i - x_j\| - d_{ij})`, as published; read off the
            residuals if omitted.
        anchor_fade: Factor of alpha from one round to the next, in (0, 1].

    Returns:
        Layout, objective of every round, residuals.

    Raises:
        InputError: for distances or weights that are negative or not finite, and numbers out of their ranges.

    Source: de Leeuw (1977), "Applications of convex analysis to multidimensional scaling"; Huber (1964); the sparse
    form with iterative reweighting is ours.
    """
    distance = np.asarray(distance, dtype=np.float64)
    weight = np.ones(len(distance)) if weight is None else np.asarray(weight, dtype=np.float64)
    for name, values in (("distances", distance), ("weights", weight)):
        bad = int((~(np.isfinite(values) & (values >= 0))).sum())
        expect(bad == 0, f"expected finite, non-negative {name}, found {bad} that are not; drop those pairs.")
    expect(anchor >= 0, f"expected an anchor of at least 0, found {anchor}; it is a pull.")
    expect(0 < anchor_fade <= 1, f"expected anchor_fade in (0, 1], found {anchor_fade}; it is a factor of every round.")
    expect(huber is None or huber > 0, f"expected a huber above 0, found {huber}; it is a length, or None.")
    start = isomap_start(n, pairs, distance) if start is None else np.asarray(start, dtype=np.float64)
    weight = weight / (weight.mean() or 1.0) if len(weight) else weight
    # Cells are numbered along a curve through the start, so that those of most pairs lie together in memory.
    order = morton_order(start)
    place = np.empty(n, dtype=np.int32)
    place[order] = np.arange(n, dtype=np.int32)
    system = _Stress(n, place[pairs], distance, weight, start[order], anchor, of_residual=huber is not None)
    del weight  # the system has its own, in its order
    pos = system.start.copy()
    threshold = np.inf
    limit = np.inf if huber is None else huber
    for rounds in SETTLING if len(distance) and huber is None else ():
        for _ in range(rounds):
            pos = system.step(pos, threshold)
        scatter = float(np.median(system.standardized(pos), overwrite_input=True))
        threshold = HUBER * scatter if scatter > 0 else np.inf
    limit = threshold if huber is None else limit
    history = [system.objective(pos, limit)]
    for _ in range(iterations):
        pos = system.step(pos, limit)
        system.fade(anchor_fade)
        history.append(system.objective(pos, limit))
        if history[-2] - history[-1] <= TOLERANCE * history[-1]:
            break
    residual = np.empty(len(distance))
    residual[system.order] = system.residual(pos)
    return SolveOutput(pos[place], tuple(history), threshold if huber is None else huber, residual)


class _Stress:
    """The objective and its majorisation on a fixed graph."""

    def __init__(
        self,
        n: int,
        pairs: Int[np.ndarray, "2 e"],
        distance: Float[np.ndarray, " e"],
        weight: Float[np.ndarray, " e"],
        start: Float[np.ndarray, "n 2"],
        anchor: float,
        of_residual: bool,
    ) -> None:
        # In row order the weights of the edges are the data of a triangular matrix as they stand.
        low, high = np.minimum(*pairs).astype(np.int32), np.maximum(*pairs).astype(np.int32)
        self.order = np.argsort(low * np.int64(n) + high).astype(np.int32)
        self.n, self.i, self.j, self.start = n, low[self.order], high[self.order], start
        self.distance, self.weight = distance[self.order], weight[self.order]
        ptr = np.searchsorted(self.i, np.arange(n + 1, dtype=np.int32)).astype(np.int32)
        self.upper = csr_array((self.weight, self.j, ptr), shape=(n, n))
        # Never zero: a cell without weight stays at its start, and the quadratic has one minimum.
        self.pull = np.maximum(anchor * self._degree(self.weight), LEAST_PULL)
        self.of_residual = of_residual

    def fade(self, factor: float) -> None:
        """Lower the pull to the start."""
        self.pull = np.maximum(factor * self.pull, LEAST_PULL)

    def _degree(self, weight: Float[np.ndarray, " e"]) -> Float[np.ndarray, " n"]:
        return self._neighbors(weight)(np.ones(self.n))

    def _lengths(self, pos: Float[np.ndarray, "n 2"]) -> Iterator[tuple[slice, Float[np.ndarray, " s"]]]:
        """Lengths of the edges, some at a time: what is computed from them stays in a cache, and never exists whole."""
        # As complex numbers, which are gathered at once: several times faster than rows.
        place = np.ascontiguousarray(pos).view(np.complex128)[:, 0]
        for some in pieces(len(self.i), EDGES):
            gap = place.take(self.i[some].astype(np.intp), mode="clip")
            gap -= place.take(self.j[some].astype(np.intp), mode="clip")
            yield some, np.sqrt(gap.real**2 + gap.imag**2)

    def _standardized(self, some: slice, length: Float[np.ndarray, " s"]) -> Float[np.ndarray, " s"]:
        return np.sqrt(self.weight[some]) * np.abs(length - self.distance[some])

    def _limit(self, some: slice, threshold: float) -> float | Float[np.ndarray, " s"]:
        # rho_delta(r) weighed by w is the same function of the standardised residual, with delta sqrt(w) for each edge.
        return threshold * np.sqrt(self.weight[some]) if self.of_residual else threshold

    def residual(self, pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " e"]:
        found = np.empty(len(self.i))
        for some, length in self._lengths(pos):
            found[some] = np.abs(length - self.distance[some])
        return found

    def standardized(self, pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " e"]:
        found = np.empty(len(self.i))
        for some, length in self._lengths(pos):
            found[some] = self._standardized(some, length)
        return found

    def objective(self, pos: Float[np.ndarray, "n 2"], threshold: float) -> float:
        total = 0.0
        for some, length in self._lengths(pos):
            z = self._standardized(some, length)
            inner = np.minimum(z, self._limit(some, threshold))
            total += float((inner * (z - inner / 2)).sum())
        return total + float(0.5 * (self.pull * ((pos - self.start) ** 2).sum(axis=1)).sum())

    def _majorised(
        self, pos: Float[np.ndarray, "n 2"], threshold: float
    ) -> tuple[Float[np.ndarray, " e"], Float[np.ndarray, " e"]]:
        """Weight of every edge in the quadratic, and that weight times measured over present length."""
        weight, force = np.empty(len(self.i)), np.empty(len(self.i))
        for some, length in self._lengths(pos):
            z, limit = self._standardized(some, length), self._limit(some, threshold)
            share = 1.0 if np.isinf(threshold) else limit / np.maximum(np.maximum(z, limit), 1e-300)
            weight[some] = self.weight[some] * share
            length[length == 0] = np.inf  # no direction to push in
            force[some] = weight[some] * self.distance[some] / length
        return weight, force

    def _laplacian(self, weight: Float[np.ndarray, " e"], pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        return self._degree(weight)[:, None] * pos - self._neighbors(weight)(pos)

    def _neighbors(self, weight: Float[np.ndarray, " e"]) -> Callable[[np.ndarray], np.ndarray]:
        """The product with the symmetric weight matrix."""
        self.upper.data = weight
        lower = self.upper.T

        def product(value: np.ndarray) -> np.ndarray:
            # Column by column: SciPy is two to three times as fast on vectors as on two columns.
            columns = np.ascontiguousarray(value.reshape(self.n, -1).T)
            return np.stack([self.upper @ one + lower @ one for one in columns], axis=1).reshape(value.shape)

        return product

    def step(self, pos: Float[np.ndarray, "n 2"], threshold: float) -> Float[np.ndarray, "n 2"]:
        """Conjugate gradients on the quadratic that touches the objective at ``pos`` and lies above it elsewhere."""
        weight, force = self._majorised(pos, threshold)
        target = self._laplacian(force, pos) + self.pull[:, None] * self.start
        diagonal = (self._degree(weight) + self.pull)[:, None]
        neighbors = self._neighbors(weight)
        del force
        residual = target - diagonal * pos + neighbors(pos)
        # The two axes are separate systems with the same matrix.
        z = residual / diagonal
        direction, energy = z.copy(), (residual * z).sum(axis=0)
        first, pos = energy.copy(), pos.copy()
        for _ in range(CG_STEPS):
            if not (energy > 1e-8 * first).any():
                break
            image = diagonal * direction - neighbors(direction)
            curvature = (direction * image).sum(axis=0)
            alpha = np.divide(energy, curvature, out=np.zeros(2), where=curvature > 0)
            pos += alpha * direction
            residual -= alpha * image
            z = residual / diagonal
            renewed = (residual * z).sum(axis=0)
            direction = z + np.divide(renewed, energy, out=np.zeros(2), where=energy > 0) * direction
            energy = renewed
        return pos
