"""The published model by the package's own training, checkpoints and layout."""

from __future__ import annotations

import csv

import pytest
import torch

from pyg_gears.data import MinisetLoader, check_fields
from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings, reconstruct_layout
from pyg_gears.models import GeneratorDiffusion
from pyg_gears.models.generator_diffusion import TermWeights
from pyg_gears.targets import gram_factor
from pyg_gears.training import Recipe
from pyg_gears.training.build_model import build_model
from pyg_gears.training.generator_diffusion_recipe import GeneratorDiffusionRecipe, LatentTermsRecipe
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.structure_loss import structure_terms
from pyg_gears.training.structure_module import StructureModule
from pyg_gears.training.structure_training import train_structure

TINY = {
    "kind": "generator_diffusion",
    "channels": 8,
    "dims": 4,
    "heads": 2,
    "points": 4,
    "context_layers": 1,
    "generator_layers": 1,
    "denoiser_layers": 1,
    "steps": 2,
    "curriculum": {"min_stage": 1, "ramp": 1},
}
OWN_ALONE = {"random_walk": 0.0, "stress": 0.0, "repulsion": 0.0, "entropy": 0.0}


@pytest.fixture(scope="module")
def recipe(tiny_recipe) -> Recipe:
    chosen = {**tiny_recipe.as_dict(), "model": TINY, "loss": OWN_ALONE}
    chosen["training"] = {**chosen["training"], "pretraining": None, "h_noise": 0.0, "slide_noise": 0.0, "lr": 3e-3}
    return Recipe.read(chosen)


@pytest.fixture(scope="module")
def datasets(recipe, prepared):
    sides = (prepared.train, prepared.validation)
    return [
        recipe_minisets(side.slides, recipe, prepared.candidates, seed=seed, count=len(side))
        for seed, side in enumerate(sides)
    ]


def batch_of(dataset):
    return next(iter(MinisetLoader(dataset, 200, shuffle=False)))


def test_its_minisets_carry_the_factor_in_the_unit_of_the_slide(recipe, datasets, prepared) -> None:
    miniset = datasets[0][1]
    check_fields(miniset)
    slide = datasets[0].slides[1]
    assert int(miniset.slide_id) == slide.slide_id
    radius = float((slide.pos - slide.pos.mean(dim=0)).square().sum(dim=1).mean().sqrt())
    expected = gram_factor(slide.pos[miniset.node_id], radius)
    torch.testing.assert_close(miniset.gram_factor, expected.to(miniset.gram_factor.dtype), atol=1e-5, rtol=1e-4)
    assert "gram_factor" not in prepared.train[0]  # of other models
    assert recipe.model.needs == GeneratorDiffusion.needs


def test_a_killed_run_resumes_to_the_same_weights_and_measurements(recipe, datasets, tmp_path, monkeypatch) -> None:
    whole = train_structure(recipe, *datasets, seed=3, folder=tmp_path / "whole", progress=False)
    step = StructureModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2:
            raise RuntimeError("killed")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(RuntimeError, match="killed"):
            train_structure(recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False)
    resumed = train_structure(recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    rows = list(csv.DictReader((tmp_path / "whole" / "log.csv").read_text().splitlines()))
    names = {"score", "size", "gram", "neighborhood", "edge", "local_scale", "subspace"}
    assert names | {"base_alignment", "base_gram", "base_size", "h_gate"} <= set(rows[0])
    assert not {"stress", "random_walk", "gate"} & set(rows[0])
    assert all(row["h_gate"] == row["t_edge"] for row in rows)
    last = torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)["state_dict"]
    steps = int(last["model.terms.curriculum.planned"])
    assert int(last["model.terms.curriculum.step"]) == steps == 3 * len(MinisetLoader(datasets[0], 160))
    assert bool(last["model.terms.scale.locked"])


def test_the_generator_has_a_rate_of_its_own(recipe, datasets, tmp_path, monkeypatch) -> None:
    seen = {}

    def look(self) -> None:
        seen["groups"] = [(group["lr"], len(group["params"])) for group in self.trainer.optimizers[0].param_groups]
        seen["parts"] = len(list(self.model.generator.parameters())), len(list(self.model.parameters()))

    monkeypatch.setattr(StructureModule, "on_train_epoch_start", look)
    one = recipe.change({"training": {"epochs": 1, "lr": 1e-3}, "model": {"generator_rate": 4.0}})
    train_structure(one, *datasets, seed=0, folder=tmp_path, progress=False)
    generator, total = seen["parts"]
    assert seen["groups"] == [(pytest.approx(1e-3), total - generator), (pytest.approx(4e-3), generator)]


def test_training_lowers_its_losses(recipe, datasets, tmp_path) -> None:
    longer = recipe.change({"training": {"epochs": 15, "lr": 1e-2, "patience": 30}, "model": {"channels": 16}})
    train_structure(longer, *datasets, seed=0, folder=tmp_path, progress=False)
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    for name in ("base_alignment", "base_gram", "base_size"):
        assert float(rows[-1][name]) < 0.8 * float(rows[0][name])


def test_terms_are_those_of_the_recipe_and_the_packages_act_on_the_generator(recipe, datasets) -> None:
    batch = batch_of(datasets[0])
    chosen = recipe.change({"model": {"terms": {"gram": 0.0, "score": 3.0}}, "loss": {"stress": 0.5}})
    model = build_model(chosen, 6, seed=0).train()
    model.begin_training(10)
    generator = torch.Generator().manual_seed(0)
    terms = {n: (w, v) for n, w, v in structure_terms(model, batch, chosen, walk_weight=0.0, generator=generator)}
    assert set(terms) == {
        *("stress", "score", "size", "neighborhood", "edge", "local_scale", "subspace"),
        *("base_alignment", "base_gram", "base_size"),
    }
    assert (terms["score"][0], terms["stress"][0], terms["base_size"][0]) == (3.0, 0.5, 10.0)
    parts = {name: list(getattr(model, name).parameters()) for name in ("context", "generator", "denoiser")}

    def reached(value) -> set[str]:
        found = torch.autograd.grad(
            value, [p for part in parts.values() for p in part], retain_graph=True, allow_unused=True
        )
        names = [name for name, part in parts.items() for _ in part]
        return {name for name, grad in zip(names, found, strict=True) if grad is not None and grad.abs().max() > 0}

    assert reached(terms["stress"][1]) == {"context", "generator"}
    assert reached(terms["base_alignment"][1]) == {"context", "generator"}
    assert reached(terms["score"][1]) == {"context", "denoiser"}
    assert reached(terms["edge"][1]) == {"context", "denoiser"}


def test_pairs_bring_the_overlap_losses(recipe, prepared) -> None:
    chosen = recipe.change({"model": {"pairs": {"alpha": 0.5, "n_min": 16}}})
    minisets = recipe_minisets(
        prepared.train.slides, chosen, prepared.candidates, seed=0, count=4, views=chosen.model.pairs
    )
    model = build_model(chosen, 6, seed=0).train()
    model.begin_training(10)
    batch = next(iter(MinisetLoader(minisets, 400, shuffle=False)))
    terms = model.loss_terms(model(batch), batch, torch.Generator().manual_seed(0))
    assert {"overlap_gram", "overlap_size", "overlap_neighbors"} <= set(terms)
    assert all(value > 0 for name, (_, value) in terms.items() if name.startswith("overlap"))
    with pytest.raises(InputError, match=r"an even minisets\.count with model\.pairs, found 5; add one"):
        chosen.change({"minisets": {"count": 5}})


def test_its_layouts_have_voters_and_a_spread(recipe, datasets, prepared, tmp_path) -> None:
    model = train_structure(recipe, *datasets, seed=0, folder=tmp_path, progress=False)
    x = torch.cat([slide.x for slide in prepared.train.slides])[:90]
    for size in (8, 40):  # some patches, and all cells as one
        settings = LayoutSettings(samples=3, patch_size=45 if size == 8 else 90, min_cover=2)
        found = reconstruct_layout(model, x, candidates=prepared.candidates, settings=settings, progress=False)
        again = reconstruct_layout(model, x, candidates=prepared.candidates, settings=settings, progress=False)
        assert found.report["voters"] == 3
        assert (found.pos == again.pos).all()
    assert found.report["voter_disagreement"] > 0
    energies = mean_energies(model, datasets[1], 200)
    assert energies["h_gate"] == energies["t_edge"] > 0


def test_every_choice_reaches_the_model() -> None:
    values = {
        **{**TINY, "context_layers": 2, "generator_layers": 3, "denoiser_layers": 4, "points": 5, "steps": 7},
        **{"distance_bins": 9, "angle_bins": 3, "angle_neighbors": 6, "geometry": "residual", "guidance": 1.5},
        **{"start": 2.0, "noise": 0.7, "planar_rounds": 4, "generator_rate": 2.0, "relative_noise": False},
        **{"low": 0.02, "highest": 0.4, "scale_share": 0.1, "terms": {"edge": 0.3, "boost": False}},
        "curriculum": {"kind": "competence", "every": 3, "ramp": 2},
    }
    recipe = Recipe().change({"model": values})
    model = recipe.model.build(5)
    assert Recipe.read(recipe.as_dict()) == recipe
    assert (len(model.context.layers), len(model.generator.layers), len(model.denoiser.layers)) == (2, 3, 4)
    assert tuple(model.context.layers[0].points.shape) == (5, 8)
    assert (model.dims, model.steps, model.guidance, model.start, model.noise) == (4, 7, 1.5, 2.0, 0.7)
    assert (model.planar_rounds, model.learning_rates()[0][1], model.low) == (4, 2.0, 0.02)
    denoiser, terms = model.denoiser, model.terms
    assert (denoiser.bias.bins, denoiser.angle_bins, denoiser.angle_neighbors, denoiser.geometry) == (
        9,
        3,
        6,
        "residual",
    )
    assert (terms.relative_noise, terms.low, terms.highest, terms.scale_share) == (False, 0.02, 0.4, 0.1)
    assert terms.weights == TermWeights(edge=0.3, boost=False)
    assert (terms.curriculum.promotion, terms.curriculum.every, terms.curriculum.ramp) == ("competence", 3, 2)
    assert terms.curriculum.competence is not None
    budget = Recipe().change({"model": {**TINY, "curriculum": {"kind": "budget", "min_stage": 8, "ramp": 9}}})
    curriculum = budget.model.build(5).terms.curriculum
    assert (curriculum.promotion, curriculum.min_steps, curriculum.ramp) == ("budget", 8, 9)


def test_weights_in_the_recipe_are_the_models() -> None:
    assert TermWeights(**dict(LatentTermsRecipe())) == TermWeights()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"training": {"edges": "true"}},
            r"a model that reads edges with training\.edges=true, found generator_diffusion",
        ),
        (
            {"loss": {"distill": {"weight": 0.1}}},
            r"a model that reads edges with loss\.distill, found generator_diffusion",
        ),
        (
            {"training": {"devices": 2}},
            r"training\.devices=1 with model\.kind=generator_diffusion, found 2; its curriculum",
        ),
        ({"model": {"channels": 30, "heads": 4}}, r"model\.channels a multiple of model\.heads, found 30 and 4"),
        ({"model": {"curriculum": {"min_steps": 3}}}, r"found 'model\.curriculum\.min_steps'"),
    ],
)
def test_what_has_no_effect_is_refused(recipe, values, message) -> None:
    with pytest.raises(InputError, match=message):
        recipe.change(values)


def test_the_small_preset_is_the_published_model_alone() -> None:
    small = Recipe.preset("published_small")
    assert small.model == GeneratorDiffusionRecipe(guidance=1.0, steps=1)
    assert (small.loss.stress, small.loss.random_walk, small.loss.repulsion, small.loss.entropy) == (0, 0, 0, 0)
    assert (small.training.edge_drop, small.training.pretraining) == (0, None)
    # Without the package's noise on H the first epoch was the best (docs/published_results.md).
    assert small.training.h_noise == Recipe().training.h_noise
    assert small.training.slide_noise == Recipe().training.slide_noise


def test_the_published_preset_builds_and_takes_a_step(tissue, prepared) -> None:
    whole = Recipe.preset("published")
    assert whole.embedding.kind == "published"
    assert (whole.minisets.geodesic.pool, whole.model.pairs.n_min, whole.model.pairs.kinds.medium) == (2.0, 16, 0.3)
    assert whole.training.epochs * whole.minisets.count // 8 == 100_000
    small = whole.change({"minisets": {"count": 2, "min_size": 20, "max_size": 20}, "graph": {"k": 15}})
    minisets = recipe_minisets(prepared.train.slides, small, prepared.candidates, seed=0, views=small.model.pairs)
    model = build_model(small, 6, seed=0).train()
    assert sum(parameter.numel() for parameter in model.parameters()) > 8_900_000
    model.begin_training(10)
    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": 1e-4 * rate} for group, rate in model.learning_rates()], weight_decay=1e-4
    )
    batch = next(iter(MinisetLoader(minisets, 100, shuffle=False)))
    terms = model.loss_terms(model(batch), batch, torch.Generator().manual_seed(0))
    assert {"overlap_gram", "score", "base_alignment"} <= set(terms)
    torch.stack([weight * value for weight, value in terms.values()]).sum().backward()
    before = [parameter.clone() for parameter in model.generator.parameters()]
    optimizer.step()
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, model.generator.parameters(), strict=True))


def test_the_published_layout_needs_no_common_unit(recipe, datasets, prepared, tmp_path) -> None:
    model = build_model(recipe, 6, seed=0).eval()
    x = torch.cat([slide.x for slide in prepared.train.slides])[:90]
    settings = LayoutSettings.published().change({"patch_size": 40})
    found = reconstruct_layout(model, x, candidates=prepared.candidates, settings=settings, progress=False)
    assert found.report["mode"] == "patches"
    assert found.report["global_patches"] == 0


def test_kinds_of_pairs_need_geodesic_minisets(recipe) -> None:
    with pytest.raises(
        InputError, match=r"expected minisets\.geodesic with model\.pairs\.kinds, found none; set minisets"
    ):
        recipe.change({"model": {"pairs": {"kinds": {}}}})
