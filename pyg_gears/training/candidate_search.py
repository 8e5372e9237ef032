"""How a recipe builds candidate graphs: read by a fit and by its layouts, which need none of the training."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph


def candidate_search(recipe: Recipe, projection: Float[Tensor, "c d"] | None) -> CandidateGraph:
    """The candidate graph of a recipe, with the projection (c, d) that was learned for it, if one was."""
    graph, gate = recipe.graph, getattr(recipe.model, "gate", None)
    return CandidateGraph(
        graph.k,
        graph.metric,
        graph.mutual,
        graph.jaccard,
        projection,
        **({} if gate is None else {"gate_target": gate.target}),
    )
