"""What the confidence of a layout allows one to do with it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from pyg_gears.layout import LayoutVerdict
from pyg_gears.layout.verdict import COARSE, RELIABLE, USES


def confidence_verdict(confidence: Float[np.ndarray, " n"], found: Mapping[str, Any]) -> list[str]:
    """The verdict of the layout, and how many cells reach its limits.

    Args:
        confidence: Of the cells that have a place.
        found: The verdict in the file (``uns["gears"]["verdict"]``); empty for a file without one, which is judged by its mean
            confidence.

    Returns:
        Sentences.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    confidence = confidence[np.isfinite(confidence)]
    if not len(confidence):
        return ["No cell has a confidence."]
    mean = round(float(confidence.mean()), 2)  # as it is read
    word, reason, remedy = (str(found.get(name, "")) for name in LayoutVerdict._fields)
    if word not in USES or not reason:
        word = "reliable" if mean >= RELIABLE else "coarse only" if mean >= COARSE else "cannot tell"
        reason, remedy = f"mean confidence {mean:.2f}", ""
    shares = [float((confidence >= limit).mean()) for limit in (RELIABLE, COARSE)]
    verdict = LayoutVerdict(word, reason, remedy)
    return [
        verdict.use,
        verdict.explanation,
        f"{shares[0]:.0%} of the cells have a confidence of at least {RELIABLE}, {shares[1]:.0%} of at least {COARSE}.",
        "Confidence is the rank correlation that a cell's distances to all other cells are expected to have with the true ones; "
        "it was learned from sections of known truth and is too high on a tissue that those do not resemble.",
    ]
