"""Graphs without nodes, or with one, in a batch."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.training.build_model import build_model
from pyg_gears.training.model_recipe import ModelRecipe
from pyg_gears.training.structure_loss import structure_terms

# The published model needs a Gram factor, which these minisets lack.
KINDS = [variant.model_fields["kind"].default for variant in get_args(get_args(ModelRecipe)[0])]
KINDS.remove("generator_diffusion")


def first_nodes(graph: Data, count: int) -> Data:
    """A miniset of its first nodes, with the edges of every kind between them."""
    found, fields = graph.clone(), graph.to_dict()
    kept = {name: (edges < count).all(dim=0) for name, edges in fields.items() if name.endswith("edge_index")}
    for name, value in fields.items():
        if name in kept:
            found[name] = value[:, kept[name]]
        elif isinstance(value, torch.Tensor) and value.dim() > 0:
            keep = torch.arange(graph.num_nodes) < count
            for inside in (keep, *kept.values()):
                if value.size(0) == inside.numel():
                    found[name] = value[inside]
                    break
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("beside", [0, 1])
def test_losses_of_graphs_without_pairs_are_finite(tiny_recipe, prepared, kind: str, count: int, beside: int) -> None:
    recipe = tiny_recipe.change({"model": {"kind": kind, "recycles": 3} if kind == "topo_ipa_r" else {"kind": kind}})
    graph = prepared.train[0]
    small = first_nodes(graph, count)
    assert small.num_nodes == count
    batch = Batch.from_data_list([small, *[graph] * beside, small])
    model = build_model(recipe, graph.x.size(1), seed=0).train()
    model.begin_training(10)
    generator = torch.Generator().manual_seed(0)
    terms = list(structure_terms(model, batch, recipe, walk_weight=0.3, generator=generator, gate_x=batch.x))
    assert terms
    for name, _, value in terms:
        assert value.isfinite(), name
    loss = torch.stack([weight * value for _, weight, value in terms]).sum()
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert gradients
