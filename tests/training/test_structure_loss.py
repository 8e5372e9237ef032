from __future__ import annotations

import copy
import itertools

import pytest
import torch

from pyg_gears.data import MinisetLoader
from pyg_gears.data.miniset_recipe import PairedViews
from pyg_gears.losses import distill_distances, distill_walk, gate_kl, linear_stress, random_walk_kl
from pyg_gears.training import Recipe, structure_module
from pyg_gears.training.build_model import build_model
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.oracle import oracle_edges
from pyg_gears.training.preparation import prepare
from pyg_gears.training.structure_loss import structure_terms
from pyg_gears.training.structure_module import StructureModule
from pyg_gears.training.structure_training import train_structure

TINY_MODELLESS = {"minisets": {"count": 6, "min_size": 40, "max_size": 60}, "graph": {"k": 15}}


@pytest.fixture
def batch(prepared):
    return next(iter(MinisetLoader(prepared.train, 200, shuffle=False)))


def model_of(recipe):
    """A model whose every part matters: first weights leave coordinates where they are."""
    model = build_model(recipe, 6, seed=0)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=generator)
    return model.eval()


def scalar(value) -> float:
    return float(value.detach())


def terms_of(model, batch, recipe, **changes):
    options = {"walk_weight": 0.2, "beta": 2.0, "generator": torch.Generator().manual_seed(0)} | changes
    return {name: (weight, value) for name, weight, value in structure_terms(model, batch, recipe, **options)}


def test_default_terms_are_those_of_the_recipe(batch, tiny_recipe) -> None:
    model = model_of(tiny_recipe)
    terms, output = terms_of(model, batch, tiny_recipe), model(batch)
    weights = {name: weight for name, (weight, _) in terms.items()}
    assert weights == {"random_walk": 0.2, "stress": 4.0, "repulsion": 0.01, "entropy": 0.01, "gate": 0.05}
    assert scalar(terms["stress"][1]) == pytest.approx(scalar(linear_stress(output.pos, batch)), rel=1e-5)
    assert scalar(terms["random_walk"][1]) == pytest.approx(scalar(random_walk_kl(output.pos, batch)), rel=1e-5)
    assert scalar(terms["gate"][1]) == pytest.approx(scalar(gate_kl(output.gate_logits, batch)), rel=1e-5)
    assert "random_walk" not in terms_of(model, batch, tiny_recipe, walk_weight=0.0)


def test_the_gates_weight_is_that_of_the_moment(batch, tiny_recipe) -> None:
    model = model_of(tiny_recipe)
    none, full = (scalar(terms_of(model, batch, tiny_recipe, beta=b)["stress"][1]) for b in (0.0, 2.0))
    assert none == pytest.approx(scalar(linear_stress(model(batch, use_gate=False).pos, batch)), rel=1e-5)
    assert none != full


@pytest.mark.parametrize("detached", [False, True])
def test_a_detached_gate_learns_from_its_own_losses_alone(batch, tiny_recipe, detached: bool) -> None:
    recipe = tiny_recipe.change({"model": {"gate": {"detached": detached}}})
    model = model_of(recipe)
    terms = terms_of(model, batch, recipe)
    geometry = terms["stress"][1] + terms["random_walk"][1]
    reached = torch.autograd.grad(geometry, list(model.gate.parameters()), retain_graph=True, allow_unused=True)
    assert all(grad is None for grad in reached) == detached
    own = torch.autograd.grad(terms["gate"][1], list(model.gate.parameters()))
    assert max(scalar(grad.abs().max()) for grad in own) > 0


def test_deep_supervision_weighs_earlier_rounds_by_their_number(batch, tiny_recipe) -> None:
    recipe = tiny_recipe.change({"model": {"recycles": 4}, "loss": {"deep": 0.6}})
    model = model_of(recipe)
    terms, output = terms_of(model, batch, recipe), model(batch)
    for number in (1, 2, 3):
        weight, value = terms[f"stress_round_{number}"]
        assert weight == pytest.approx(0.6 * number / 6 * 4.0)
        assert scalar(value) == pytest.approx(scalar(linear_stress(output.trajectory[number - 1], batch)), rel=1e-5)
        assert terms[f"random_walk_round_{number}"][0] == pytest.approx(0.6 * number / 6 * 0.2)
    assert "stress_round_4" not in terms


@pytest.mark.parametrize(("kind", "loss"), [("walk", distill_walk), ("distances", distill_distances)])
def test_distillation_follows_the_pass_on_the_true_graph(batch, tiny_recipe, kind, loss) -> None:
    recipe = tiny_recipe.change({"loss": {"distill": {"weight": 0.7, "kind": kind}}})
    model = model_of(recipe)
    terms = terms_of(model, batch, recipe)
    teacher = model(batch, edge_index=oracle_edges(batch), use_gate=False).pos
    weight, value = terms["distill"]
    assert weight == 0.7
    assert scalar(value) == pytest.approx(scalar(loss(model(batch).pos, teacher, batch)), rel=1e-4)
    assert terms["stress_teacher"][0] == 4.0
    assert scalar(terms["stress_teacher"][1]) == pytest.approx(scalar(linear_stress(teacher, batch)), rel=1e-5)


def test_trust_and_ranking(batch, tiny_recipe) -> None:
    recipe = tiny_recipe.change({"model": {"gate": {"trust": 0.02, "rank": 0.03}}})
    model = model_of(recipe)
    earlier = copy.deepcopy(model.gate)
    terms = terms_of(model, batch, recipe, earlier_gate=earlier)
    assert (terms["trust"][0], terms["rank"][0]) == (0.02, 0.03)
    assert scalar(terms["trust"][1]) == pytest.approx(0.0, abs=1e-6)
    assert scalar(terms["rank"][1]) > 0
    with torch.no_grad():
        model.gate.last.weight.mul_(2.0)
    assert scalar(terms_of(model, batch, recipe, earlier_gate=earlier)["trust"][1].detach()) > 1e-4


def test_the_ramp_and_the_clean_gate_reach_the_loss(tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    ramp = {"beta_start": 0.5, "beta_ramp_epochs": 2.0}
    seen = []
    inner = structure_module.structure_terms

    def listen(model, batch, recipe, *, gate_x, beta, **others):
        seen.append((beta, bool(torch.equal(gate_x, batch.x))))
        return inner(model, batch, recipe, gate_x=gate_x, beta=beta, **others)

    monkeypatch.setattr(structure_module, "structure_terms", listen)
    for clean in (False, True):
        recipe = tiny_recipe.change({"model": {"gate": {**ramp, "clean": clean}}, "training": {"patience": 9}})
        train_structure(recipe, *datasets, seed=0, folder=tmp_path / str(clean), progress=False)
        betas = [beta for beta, _ in seen]
        per_epoch = len(betas) // 3
        expected = [0.5 + 1.5 * min(1.0, (step / per_epoch) / 2.0) for step in range(len(betas))]
        assert betas == pytest.approx(expected)
        assert {same for _, same in seen} == {not clean}
        seen.clear()


def test_the_pretrained_gate_travels_in_the_checkpoint(tiny_recipe, datasets, tmp_path) -> None:
    recipe = tiny_recipe.change({"model": {"gate": {"trust": 0.1}}})
    model = train_structure(recipe, *datasets, seed=0, folder=tmp_path, progress=False)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    earlier = {name for name in stored if name.startswith("earlier_gate.")}
    assert {name.removeprefix("earlier_gate.") for name in earlier} == set(model.gate.state_dict())
    fresh = StructureModule(build_model(recipe, 6, seed=5), recipe, *datasets, seed=0)
    fresh.load_state_dict(stored)
    assert torch.equal(fresh.earlier_gate.last.weight, stored["earlier_gate.last.weight"])
    assert not fresh.earlier_gate.last.weight.requires_grad


def test_training_on_the_true_graph_teaches_the_gate_on_the_candidates(batch, tiny_recipe) -> None:
    recipe = tiny_recipe.change({"training": {"edges": "true"}})
    model = model_of(recipe)
    terms = terms_of(model, batch, recipe)
    expected = linear_stress(model(batch, edge_index=oracle_edges(batch), use_gate=False).pos, batch)
    assert scalar(terms["stress"][1]) == pytest.approx(scalar(expected), rel=1e-5)
    reached = torch.autograd.grad(
        terms["stress"][1], list(model.gate.parameters()), retain_graph=True, allow_unused=True
    )
    assert all(grad is None for grad in reached)
    own = torch.autograd.grad(terms["gate"][1], list(model.gate.parameters()))
    assert max(scalar(grad.abs().max()) for grad in own) > 0


def test_the_gate_rests_while_frozen_and_between_its_updates(tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    def gates(change) -> list[torch.Tensor]:
        seen = []
        start = StructureModule.training_step

        def spy(self, batch, index):
            seen.append(self.model.gate.last.weight.detach().clone())
            return start(self, batch, index)

        recipe = tiny_recipe.change({"model": {"gate": change}, "training": {"patience": 9}})
        with monkeypatch.context() as patch:
            patch.setattr(StructureModule, "training_step", spy)
            train_structure(recipe, *datasets, seed=0, folder=tmp_path / str(change), progress=False)
        return seen

    def moved(seen: list[torch.Tensor]) -> list[bool]:
        return [not torch.equal(a, b) for a, b in itertools.pairwise(seen)]

    always = moved(gates({}))
    assert all(always)
    steps = (len(always) + 1) // 3
    frozen = moved(gates({"frozen_epochs": 1}))
    assert not any(frozen[: steps - 1])
    assert all(frozen[steps:])
    assert moved(gates({"update_every": 2})) == [number % 2 == 0 for number in range(len(always))]


@pytest.mark.parametrize("kind", ["ipa_lite", "coordinate_mlp", "distance_egnn", "operator_net"])
def test_every_model_can_be_taught_by_overlaps(prepared, tiny_recipe, kind: str) -> None:
    forms = {"ratio": 0.3, "gram": 0.2, "neighbors": 0.1, "views": {"n_min": 16}}
    model = {} if kind == "ipa_lite" else {"model": {"kind": kind}}
    recipe = (Recipe().change(TINY_MODELLESS) if model else tiny_recipe).change({**model, "loss": {"overlap": forms}})
    assert recipe.views == PairedViews(n_min=16)
    pairs = recipe_minisets(prepared.train.slides, recipe, prepared.candidates, seed=0, count=4, views=recipe.views)
    batch = next(iter(MinisetLoader(pairs, 400, shuffle=False)))
    model = build_model(recipe, 6, seed=0)
    terms = terms_of(model, batch, recipe, overlap_share=0.5)
    names = [name for name in terms if name.startswith("overlap_")]
    assert names == ["overlap_ratio", "overlap_gram", "overlap_neighbors"]
    assert [terms[name][0] for name in names] == pytest.approx([0.15, 0.1, 0.05])
    assert all(scalar(terms[name][1]) > 0 for name in names)
    (total := sum(terms[name][1] for name in names)).backward()
    assert max(scalar(p.grad.abs().max()) for p in model.parameters() if p.grad is not None) > 0, total
    assert not [name for name in terms_of(model, batch, recipe, overlap_share=0.0) if name.startswith("overlap_")]


def test_overlaps_count_late_and_minisets_come_in_pairs(tiny_recipe, tissue, tmp_path, monkeypatch) -> None:
    recipe = tiny_recipe.change({"loss": {"overlap": {"begin": 0.25, "end": 0.75}}, "training": {"patience": 9}})
    prepared = prepare(recipe, tissue.slides, None, None, None)
    assert prepared.train.groups == [(0, 1), (2, 3), (4, 5)]
    assert prepared.validation.views is None
    seen = []
    inner = structure_module.structure_terms

    def listen(*arguments, overlap_share, **others):
        seen.append(overlap_share)
        return inner(*arguments, overlap_share=overlap_share, **others)

    monkeypatch.setattr(structure_module, "structure_terms", listen)
    train_structure(recipe, prepared.train, prepared.validation, seed=0, folder=tmp_path, progress=False)
    progress = [step / len(seen) for step in range(len(seen))]
    assert seen == pytest.approx([min(1.0, max(0.0, (p - 0.25) / 0.5)) for p in progress])
    assert seen[0] == 0
    assert seen[-1] > 0
