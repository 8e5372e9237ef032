"""One layout from several predictions of all cells: the voters' distances are averaged, never their coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pyg_gears.layout.votes import equal_weights

TOLERANCE = 1e-6


@dataclass(frozen=True)
class ConsensusOutput:
    """The layout that the voters agree on best."""

    pos: Float[np.ndarray, "n 2"]
    """Coordinates in the voters' common gauge."""
    distance: Float[np.ndarray, "n n"]
    """Weighted mean of the voters' distances."""
    history: tuple[float, ...]
    """Raw stress before the first and after every round; never rises. Empty for a single voter."""

    @property
    def stress(self) -> float:
        """Stress-1 of the layout against the mean distances."""
        total = float((self.distance**2).sum())
        return float(np.sqrt(((distances(self.pos) - self.distance) ** 2).sum() / total)) if total > 0 else 0.0


def distances(pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n n"]:
    """All pairwise distances, shape (n, n)."""
    pos = np.asarray(pos, dtype=np.float64)
    return np.hypot(pos[:, None, 0] - pos[None, :, 0], pos[:, None, 1] - pos[None, :, 1])


def consensus_layout(
    pos: Float[np.ndarray, "v n 2"], iterations: int = 30, weights: Float[np.ndarray, " v"] | None = None
) -> ConsensusOutput:
    """Average the voters' distances and solve for one layout, by SMACOF with unit weights.

    Coordinates of different voters are in different gauges (one may be the other's mirror image), so their mean is
    meaningless; distances do not depend on the gauge. The start is the voter that is closest to the mean. Time and memory
    n^2: for cells that fit into one patch.

    Args:
        pos: Predictions of all cells, each in its own gauge, shape (voters, n, 2).
        iterations: Rounds at most; it stops early when a round gains less than 1e-6 of the stress.
        weights: Weights of the voters, shape (voters,), with sum 1; equal ones if omitted.

    Returns:
        The layout. A single voter is returned as it is.
    """
    n = pos.shape[1]
    mean = np.zeros((n, n))
    for one, weight in zip(pos, equal_weights(len(pos)) if weights is None else weights, strict=True):
        mean += weight * distances(one)
    if len(pos) == 1:
        return ConsensusOutput(pos[0].astype(np.float64), mean, ())
    best = int(np.argmin([((distances(one) - mean) ** 2).sum() for one in pos]))
    layout = pos[best].astype(np.float64)
    length = distances(layout)
    history = [float(((length - mean) ** 2).sum())]
    for _ in range(iterations):
        ratio = np.divide(mean, length, out=np.zeros_like(mean), where=length > 0)
        layout = (ratio.sum(axis=1)[:, None] * layout - ratio @ layout) / n
        length = distances(layout)
        history.append(float(((length - mean) ** 2).sum()))
        if history[-2] - history[-1] <= TOLERANCE * history[0]:
            break
    return ConsensusOutput(layout, mean, tuple(history))
