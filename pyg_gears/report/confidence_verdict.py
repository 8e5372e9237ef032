"""What the confidence of a layout allows one to do with it, in words."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LEVELS = (
    (0.7, "good", "distances and neighbourhoods can be used"),
    (0.4, "fair", "regions and broad trends can be used, single neighbours with care"),
    (0.2, "weak", "only broad trends can be used: inner against outer, one side against the other"),
    (-1.0, "cannot tell", "the expression says too little about place; do not read places from this layout"),
)
"""Lowest confidence, name and advice. Confidence is an expected rank correlation of distances, and these are the usual
readings of one; no experiment has set the limits."""


def confidence_verdict(confidence: Float[np.ndarray, " n"]) -> list[str]:
    """Sentences on the mean and the spread of the confidence of the cells that have a place."""
    confidence = np.asarray(confidence, dtype=np.float64)
    confidence = confidence[np.isfinite(confidence)]
    if not len(confidence):
        return ["No cell has a confidence."]
    mean = round(float(confidence.mean()), 2)  # as it is read
    _, name, advice = next(level for level in LEVELS if mean >= level[0])
    shares = [(low, label, float((confidence >= low).mean())) for low, label, _ in LEVELS[:2]]
    return [
        f"Mean confidence {mean:.2f}, {name}: {advice}.",
        f"{shares[0][2]:.0%} of the cells reach {shares[0][0]} (good), {shares[1][2]:.0%} reach {shares[1][0]} (fair).",
        "Confidence is the rank correlation that a cell's distances to all others are expected to have with the true ones, "
        "as learned from the held-out slide.",
    ]
