"""Loss terms of a structure model that cost nothing where their weight is 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor


def weighted_terms(
    weights: Mapping[str, float], terms: Mapping[str, Callable[[], Tensor]]
) -> dict[str, tuple[float, Tensor]]:
    """Weight and value of every term with a weight above 0; the others are not computed."""
    return {name: (weights[name], term()) for name, term in terms.items() if weights[name] > 0}
