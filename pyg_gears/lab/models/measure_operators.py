"""The layout that a model's operators alone give of a section that it has not seen."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from pyg_gears.lab.models.measure_model import LAYOUT_METRICS
from pyg_gears.layout.operator_merge import Decode, operator_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.models import StructureModel
from pyg_gears.training.preparation import Prepared
from pyg_gears.typing import FloatArray

MAKERS = ("operator_net", "operator_vae")
"""Kinds of models whose output has an operator."""


def measure_operators(
    model: StructureModel,
    prepared: Prepared,
    query: Float[Tensor, "n c"],
    truth: FloatArray,
    *,
    decode: Decode,
    seed: int,
) -> dict[str, float]:
    """Measure the layout of :func:`~pyg_gears.layout.operator_layout`.

    Args:
        model: A trained operator_net or operator_vae, in evaluation mode.
        prepared: Candidates that it was trained with.
        query: Embedding of the section, shape (n, c).
        truth: Its true coordinates, shape (n, 2).
        decode: How the merged operator becomes a layout.
        seed: Seed of patches and landmarks.

    Returns:
        ``query spearman`` and the like, as :func:`~pyg_gears.lab.models.measure_model` has them.
    """
    found = operator_layout(model, query, candidates=prepared.candidates, decode=decode, seed=seed)
    scores = evaluate_layout(found.pos, truth, seed=seed)
    numbers = {f"query {name}": float(scores[name]) for name in LAYOUT_METRICS}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
