"""The base alone: a model added in this file, with its recipe variant, and trained by the public pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import pytest
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import GELU, Linear, Sequential

from pyg_gears.configuration import Configuration
from pyg_gears.geometry import edge_distance, gauge_fix
from pyg_gears.losses import geometric_energy
from pyg_gears.models import GatedModel, GateEGNN, IPALite, StructureModel, StructureOutput
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.testing import assert_batched_equals_single, assert_permutation_equivariant, random_graphs
from pyg_gears.training.model_recipe import IPALiteRecipe
from pyg_gears.transforms import GeometricTargets


class DistanceHead(StructureModel):
    """Distances along the candidates from the two ends; nothing else."""

    generates: ClassVar[Literal["distances"]] = "distances"
    needs: ClassVar[frozenset[str]] = frozenset({"stress_edge_index", "stress_distance"})

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__(in_channels)
        self.head = Sequential(Linear(2 * in_channels, hidden_channels), GELU(), Linear(hidden_channels, 1))

    def forward(self, batch: Any, *, edge_index=None, noise=None, generator=None) -> StructureOutput:
        graphs = read_graphs(batch, edge_index, self.in_channels)
        return StructureOutput(graphs.edge_index, distances=self.between(graphs.x, graphs.edge_index))

    def between(self, x: Tensor, edges: Tensor) -> Tensor:
        pair = torch.cat([(x[edges[0]] - x[edges[1]]).abs(), x[edges[0]] * x[edges[1]]], dim=1)
        return torch.nn.functional.softplus(self.head(pair))[:, 0]

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        guess = self.between(batch.x, batch.stress_edge_index)
        return {"log_distance": (0.5, (guess.log() - batch.stress_distance.log()).square().mean())}


class DistanceHeadRecipe(Configuration):
    kind: Literal["distance_head"] = "distance_head"
    hidden_channels: int = Field(default=16, ge=1)

    def build(self, in_channels: int) -> DistanceHead:
        return DistanceHead(in_channels, self.hidden_channels)


class Whole(Configuration):
    model: Annotated[IPALiteRecipe | DistanceHeadRecipe, Field(discriminator="kind")] = IPALiteRecipe()


def train_step(model: StructureModel, batch: Any, optimiser: torch.optim.Optimizer) -> float:
    """A step that knows a model by its base alone."""
    model.train()
    assert all(name in batch for name in model.needs)
    output = model(batch, generator=torch.Generator().manual_seed(0))
    loss = sum((w * value for w, value in model.loss_terms(output, batch).values()), batch.x.new_zeros(()))
    if model.generates == "coordinates":
        loss = loss + geometric_energy(output.pos, batch).as_subclass(Tensor)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def miniset() -> Any:
    """A graph whose embedding holds its coordinates; candidates are not its stress edges."""
    graph = random_graphs([40], 4)[0]
    graph.x[:, :2] = graph.pos
    graph.gate_target = torch.zeros(graph.edge_index.size(1))
    return GeometricTargets()(graph)


@pytest.mark.parametrize("kind", ["distance_head", "ipa_lite"])
def test_a_model_is_added_by_its_own_file_and_a_variant(kind: str) -> None:
    torch.manual_seed(0)
    recipe = Whole().change({"model": {"kind": kind, "hidden_channels": 12}})
    model, batch = recipe.model.build(4), miniset()
    assert isinstance(model, DistanceHead if kind == "distance_head" else IPALite)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = [train_step(model, batch, optimiser) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


def test_what_it_generates_is_right_and_has_the_properties() -> None:
    torch.manual_seed(0)
    model, batch = DistanceHead(4, 12), miniset()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-2)
    for _ in range(150):
        train_step(model, batch, optimiser)
    truth = edge_distance(gauge_fix(random_graphs([40], 4)[0].pos), batch.edge_index)
    other = batch.edge_index[0] != batch.edge_index[1]
    ranks = torch.corrcoef(torch.stack([model(batch).distances.detach()[other], truth[other]]))
    assert ranks[0, 1] > 0.8

    def incoming(graph: Any) -> Tensor:
        output = model(graph)
        return torch.zeros(graph.num_nodes).index_add(0, output.edge_index[1], output.distances.detach())

    graphs = random_graphs([12, 1, 20], 4)
    assert_permutation_equivariant(incoming, graphs[0], tol=1e-4)
    assert_batched_equals_single(incoming, graphs, tol=1e-4)


def test_what_training_asks_of_a_model() -> None:
    plain, gated = DistanceHead(4, 12), GateEGNN(4, 8)
    assert (plain.generates, plain.samples, plain.pretraining_parameters(True)) == ("distances", False, [])
    assert (gated.generates, gated.samples, gated.needs) == ("coordinates", True, {"gate_target"})
    assert isinstance(gated, GatedModel)
    assert not isinstance(plain, GatedModel)
    assert gated.loss_terms(gated(miniset()), miniset()) == {}
    gate, start = (set(map(id, part.parameters())) for part in (gated.gate, gated.embed_pos))
    assert set(map(id, gated.pretraining_parameters(coordinates=False))) == gate
    assert set(map(id, gated.pretraining_parameters(coordinates=True))) == gate | start
    assert StructureModel.__abstractmethods__ == {"forward"}
    assert GatedModel.__abstractmethods__ == {"forward"}


def test_reset_parameters_reaches_every_parameter() -> None:
    model = DistanceHead(4, 12)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.reset_parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
