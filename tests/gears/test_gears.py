from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy.sparse import csr_array

from pyg_gears import FittedGears, Gears, Recipe, fitted_gears, load
from pyg_gears.data import pseudo_spots
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.encoders import LearnedEncoder
from pyg_gears.errors import InputError
from pyg_gears.layout import ConfidenceCalibration, LayoutSettings, Regressions, row_spearman
from pyg_gears.models import TopoIPAR
from pyg_gears.nn import GateFormer
from pyg_gears.training import encoder_module
from pyg_gears.training.candidate_search import candidate_search
from pyg_gears.training.sealed_file import write_sealed


def as_anndata(slide, spatial: bool = True) -> AnnData:
    adata = AnnData(slide.counts.copy())
    adata.var_names, adata.obs_names = list(slide.genes), list(slide.cells)
    if spatial:
        adata.obsm["spatial"] = np.array(slide.pos)
    return adata


def test_layout_is_in_the_gauge_with_confidence(fitted, tissue) -> None:
    found = fitted.reconstruct(tissue.cells, progress=False)
    assert found.pos.shape == (150, 2)
    np.testing.assert_allclose(found.pos.mean(axis=0), 0, atol=1e-9)
    assert (found.pos**2).sum(axis=1).mean() == pytest.approx(1.0)
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert found.layout.distances.shape == (150, 150)
    assert fitted.calibration.calibrated


def test_saved_and_loaded_is_the_same_model(fitted, tissue, tmp_path) -> None:
    fitted.save(tmp_path / "model")
    content = torch.load(tmp_path / "model" / "model.pt", weights_only=True)
    assert content["recipe"] == fitted.recipe.as_dict()
    loaded = load(tmp_path / "model")
    a = fitted.reconstruct(tissue.cells, seed=3, progress=False)
    b = loaded.reconstruct(tissue.cells, seed=3, progress=False)
    np.testing.assert_array_equal(a.pos, b.pos)
    np.testing.assert_array_equal(a.confidence, b.confidence)
    assert loaded.report == fitted.report


def test_the_answer_does_not_depend_on_coordinates_in_the_query(fitted, tissue) -> None:
    bare = as_anndata(tissue.slides[0], spatial=False)
    honest = as_anndata(tissue.slides[0])
    a = fitted.reconstruct(bare, progress=False).pos
    b = fitted.reconstruct(honest, progress=False).pos
    np.testing.assert_array_equal(a, b)


def test_paired_spots_pin_the_cells_that_they_are_sums_of(fitted, tissue) -> None:
    spots = pseudo_spots(replace(tissue.cells, pos=tissue.cells_pos), 8, core=0.9, min_cells=1)
    plain = fitted.reconstruct(tissue.cells, progress=False)
    # Places may come in any unit and pose.
    assert spots.slide.pos is not None
    slide = replace(spots.slide, pos=500 - 30 * spots.slide.pos[:, ::-1])
    found = fitted.reconstruct(tissue.cells, progress=False, paired=slide)
    before, after = (
        np.mean(row_spearman(one.pos[spots.inside], tissue.cells_pos[spots.inside])) for one in (plain, found)
    )
    assert after > max(0.9, before)
    assert found.layout.report["paired_spots"] == slide.name
    assert "paired_spots" not in plain.layout.report
    np.testing.assert_array_equal(found.confidence, plain.confidence)
    with pytest.raises(InputError, match="expected positions, found none"):
        fitted.reconstruct(tissue.cells, progress=False, paired=replace(slide, pos=None))
    with pytest.raises(InputError, match="share at least 10 genes with the cells, found 9"):
        fitted.reconstruct(tissue.cells, progress=False, paired=slide.subset_genes(slide.genes[:9]))


def test_same_seed_same_model(tissue, recipe, fitted) -> None:
    slides = [as_anndata(slide) for slide in tissue.slides]
    again = Gears(recipe).fit(slides, validate="slide_1", progress=False)
    for a, b in zip(fitted.members[0].state_dict().values(), again.members[0].state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_torch_may_have_other_defaults(tissue, recipe, fitted, tmp_path) -> None:
    """Notebooks set them for the packages beside this one."""
    spots = pseudo_spots(replace(tissue.cells, pos=tissue.cells_pos), 8, core=0.9, min_cells=1).slide
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        own = Gears(recipe).fit(tissue.slides, validate=tissue.slides[1].name, progress=False)
        own.save(tmp_path)
        found = load(tmp_path).reconstruct(tissue.cells, progress=False, paired=spots)
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float64, "meta")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    expected = fitted.reconstruct(tissue.cells, progress=False, paired=spots)
    assert np.array_equal(found.pos, expected.pos)
    assert np.array_equal(found.confidence, expected.confidence)


@pytest.mark.parametrize("without_gradients", [torch.no_grad, torch.inference_mode])
def test_a_caller_without_gradients_gets_the_same_model(tissue, recipe, fitted, without_gradients) -> None:
    with without_gradients():
        found = Gears(recipe).fit(tissue.slides, validate=tissue.slides[1].name, progress=False)
        pos = found.reconstruct(tissue.cells, progress=False).pos
        assert not torch.is_grad_enabled()
    np.testing.assert_array_equal(pos, fitted.reconstruct(tissue.cells, progress=False).pos)


def test_members_vote_and_one_slide_is_enough(tissue, recipe) -> None:
    gears = Gears(recipe.change({"training": {"members": 2}})).fit(tissue.slides[:1], tissue.cells, progress=False)
    assert len(gears.members) == 2
    assert gears.report["held_out_is_block"]
    assert not torch.equal(gears.members[0].embed_pos[0].weight, gears.members[1].embed_pos[0].weight)
    assert gears.reconstruct(tissue.cells, progress=False).layout.report["voters"] == 4  # and two regressions
    alone = Gears(recipe.change({"regressions": None})).fit(tissue.slides[:1], progress=False)
    assert alone.reconstruct(tissue.cells, progress=False).layout.report["voters"] == 1


def test_held_out_spots_are_laid_out_before_anything_is_trained_on_them(tissue, recipe, tmp_path) -> None:
    kept = recipe.change({"regressions": None, "training": {"final_epochs": 0}})
    plain = Gears(kept).fit(tissue.slides, validate="slide_1", progress=False)
    assert plain.validated == {"slide_1"}
    assert plain.seen == plain.trained == {"slide_0"}
    # Nothing of it was fitted on the slide: reconstructing it from its file gives the same layout.
    # But for the confidence of a query, which the calibration on this slide gives, and its say in the neighbours.
    sure = replace(plain, calibration=ConfidenceCalibration((0.0, 1.0), (1.0, 1.0)), training_genes=None)
    again = sure.reconstruct(tissue.slides[1], progress=False).pos
    np.testing.assert_allclose(again, plain.held_out["slide_1"], atol=1e-6)

    used = Gears(recipe).fit(tissue.slides, validate="slide_1", progress=False)
    assert used.validated == frozenset()
    assert used.seen == used.trained == {"slide_0", "slide_1"}
    assert len(used.regressions.knn.pos) == 2
    assert not np.allclose(used.reconstruct(tissue.slides[1], progress=False).pos, used.held_out["slide_1"], atol=1e-3)
    quality = row_spearman(used.held_out["slide_1"], tissue.slides[1].pos).mean()
    assert used.report["held_out_quality"] == pytest.approx(quality)
    # What the models that chose the epoch reached is the same; those that are kept are others, on another embedding.
    assert used.report["h_gate"] == pytest.approx(plain.report["h_gate"])
    once = Gears(recipe.change({"training": {"final_epochs": 0}})).fit(
        tissue.slides, validate="slide_1", progress=False
    )
    np.testing.assert_array_equal(used.held_out["slide_1"], once.held_out["slide_1"])
    assert used.calibration == once.calibration
    assert once.seen == {"slide_0"}
    assert once.trained == {"slide_0", "slide_1"}  # by the regressions
    assert not torch.equal(used.members[0].embed_pos[0].weight, plain.members[0].embed_pos[0].weight)
    assert not torch.equal(used.encoder.components, plain.encoder.components)
    assert sum(len(x) for x in used.support.x) == sum(len(slide) for slide in tissue.slides)
    used.save(tmp_path / "model")
    loaded = Gears.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.held_out["slide_1"], used.held_out["slide_1"])


def test_networks_of_the_second_round_stop_at_the_step_that_the_first_one_kept(tissue, recipe, monkeypatch) -> None:
    """The untrained ones agree best: what is kept are the components, on which networks begin."""
    overlaps = iter([0.9, 0.1, 0.2])
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=next(overlaps)))
    networks = {"out_channels": 6, "hidden": [8], "steps": 4, "evaluate_every": 2, "folds": 2, "repeats": 1}
    chosen = recipe.change({"embedding": {"kind": "learned", "front": {"components": 10}, **networks}})
    found = Gears(chosen).fit(tissue.slides, validate="slide_1", progress=False)
    assert len(found.encoder.members) == 2
    for member in found.encoder.members:
        assert torch.equal(member.linear.weight, torch.eye(6, 10))


def test_patchwise_query_and_description_can_be_written(fitted, tissue) -> None:
    settings = LayoutSettings(patch_size=48)
    found = fitted.reconstruct(tissue.cells, settings=settings, progress=False)
    assert found.layout.report["mode"] == "patches"
    assert json.loads(json.dumps(fitted.describe(found, seed=0)))["versions"]["pyg-gears"]


def test_misuse_is_refused(fitted, tissue, recipe, tmp_path) -> None:
    with pytest.raises(ValueError, match="expected a model folder at"):
        Gears.load(tmp_path)
    (tmp_path / "model.pt").write_bytes(b"no model")
    with pytest.raises(ValueError, match="expected a readable model"):
        Gears.load(tmp_path)
    torch.save({"format": 99}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="expected a model of format 3 to 7"):
        Gears.load(tmp_path)
    with pytest.raises(ValueError, match=r"lack|miss"):
        fitted.reconstruct(tissue.cells.subset_genes(tissue.cells.genes[:20]))


def test_what_cannot_be_fitted_is_refused_before_any_work(tissue, recipe, tmp_path) -> None:
    wrong = recipe.change(
        {
            "embedding": {"kind": "learned", "adversary": {"against": "modality"}},
        }
    )
    work = tmp_path / "work"
    with pytest.raises(ValueError, match=r"expected cells for embedding\.adversary\.against=modality, found none"):
        Gears(wrong).fit(tissue.slides, work_dir=work, progress=False)
    assert not work.exists()


def test_candidates_gate_and_model_of_the_recipe_travel_in_the_file(tissue, recipe, tmp_path) -> None:
    chosen = {
        "graph": {"mutual": True, "projection": 4},
        "model": {"kind": "topo_ipa_r", "recycles": 3, "gate": {"heads": 2, "detached": True}},
        "training": {"epochs": 1, "final_epochs": 1, "pretraining": {"steps": 2}},
    }
    gears = Gears(recipe.change(chosen)).fit(tissue.slides, progress=False)
    gears.save(tmp_path / "model")
    loaded = Gears.load(tmp_path / "model")
    used = loaded.candidates
    assert (used.k, used.mutual) == (15, True)
    assert torch.equal(used.projection, gears.candidates.projection)
    assert isinstance(loaded.members[0], TopoIPAR)
    assert isinstance(loaded.members[0].gate, GateFormer)
    one, two = (g.reconstruct(tissue.cells, progress=False).pos for g in (gears, loaded))
    np.testing.assert_array_equal(one, two)
    # Neighbours are searched in the projection: without it the candidates differ, and so does the layout.
    bare = replace(loaded, candidates=candidate_search(loaded.recipe, None))
    assert not np.array_equal(bare.reconstruct(tissue.cells, progress=False).pos, one)


def test_a_work_folder_of_another_run_is_refused(tissue, recipe, tmp_path) -> None:
    Gears(recipe).fit(tissue.slides, work_dir=tmp_path, progress=False)
    with pytest.raises(ValueError, match="expected the recipe, slides and cells of the run begun in"):
        Gears(recipe.change({"training": {"lr": 1.0}})).fit(tissue.slides, work_dir=tmp_path, progress=False)


@pytest.fixture(scope="module")
def learned(tissue, recipe) -> FittedGears:
    encoder = {"out_channels": 6, "hidden": [8], "steps": 20, "evaluate_every": 10, "folds": 3}
    chosen = recipe.change({"embedding": {"kind": "learned", "front": {"components": 10}, **encoder}})
    return Gears(chosen).fit(tissue.slides, tissue.cells, validate=tissue.slides[1].name, progress=False)


def test_a_learned_encoder_and_its_adapter_are_saved(learned, tissue, tmp_path) -> None:
    assert isinstance(learned.encoder, LearnedEncoder)
    assert learned.adapter is not None
    learned.save(tmp_path)
    loaded = Gears.load(tmp_path)
    a = learned.reconstruct(tissue.cells, progress=False)
    b = loaded.reconstruct(tissue.cells, progress=False)
    np.testing.assert_array_equal(a.pos, b.pos)
    assert a.gap == b.gap
    assert loaded.describe(b, 0)["gap"] == a.gap._asdict()


def test_far_cells_are_reported_and_adapted_only_when_asked(learned, fitted, tissue) -> None:
    """Two cells, repeated: nothing of the tissue's variation is in them."""
    far = replace(tissue.cells, counts=tissue.cells.counts[np.repeat([0, 1], 75)])
    spots = [x.clone() for x in learned.support.x]
    with pytest.warns(UserWarning, match="lie far from the training spots"):
        plain = learned.reconstruct(far, progress=False)
    assert plain.gap.far
    assert not plain.adapted
    adapted = learned.reconstruct(far, adapt="match", progress=False)
    assert adapted.adapted
    assert all(torch.equal(a, b) for a, b in zip(spots, learned.support.x, strict=True))
    assert fitted.adapter is None
    assert fitted.reconstruct(tissue.cells, adapt="match", progress=False).adapted


@pytest.mark.parametrize("near", [True, False])
def test_low_confidence_frees_near_neighbours_only_where_the_mixture_is_another(
    learned, tissue, monkeypatch, near
) -> None:
    given, lay_out = {}, fitted_gears.reconstruct_layout

    def spied(*values, **options):
        given.update(options)
        return lay_out(*values, **options)

    monkeypatch.setattr(fitted_gears, "reconstruct_layout", spied)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = learned.reconstruct(
            tissue.slides[1] if near else replace(tissue.cells, counts=tissue.cells.counts[np.repeat([0, 1], 75)]),
            progress=False,
        )
    assert found.gap.near == near
    assert given["confidence"] == (1.0 if near else pytest.approx(found.confidence.mean(), abs=1e-6))


@pytest.mark.parametrize("noisy", [True, False])
def test_regressions_borrow_where_the_embedding_does(learned, tissue, monkeypatch, noisy) -> None:
    """A section whose counts were only divided is as sharp as before: to average it would take it away from the spots."""
    votes, layouts = [], Regressions.layouts
    monkeypatch.setattr(
        Regressions,
        "layouts",
        lambda *values, borrow, **options: votes.append(borrow) or layouts(*values, borrow=borrow, **options),
    )
    section = tissue.slides[1]
    rng = np.random.default_rng(0)
    counts = rng.poisson(section.counts.toarray() / 100).astype(np.float32) if noisy else section.counts.toarray() / 50
    empty = counts.sum(axis=1) == 0
    counts[empty, 0] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learned.reconstruct(replace(section, counts=csr_array(counts.astype(np.float32))), progress=False)
    assert votes == [noisy]


def test_a_fit_that_fails_leaves_what_was_fitted(tissue, recipe, fitted, tmp_path, monkeypatch) -> None:
    before = fitted.reconstruct(tissue.cells, progress=False).pos
    gears = Gears(recipe)
    first = gears.fit(tissue.slides[:1], work_dir=tmp_path / "first", progress=False)
    states = [value.clone() for value in first.members[0].state_dict().values()]
    monkeypatch.setattr("pyg_gears.held_out_fit.train_structure", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gears.fit(tissue.slides, work_dir=tmp_path / "second", progress=False)
    assert all(torch.equal(a, b) for a, b in zip(states, first.members[0].state_dict().values(), strict=True))
    np.testing.assert_array_equal(fitted.reconstruct(tissue.cells, progress=False).pos, before)
    with pytest.raises(FrozenInstanceError):
        first.encoder = None


def test_a_run_folder_is_claimed_before_the_encoder_is_trained(tissue, recipe, tmp_path, monkeypatch) -> None:
    Gears(recipe).fit(tissue.slides, work_dir=tmp_path, progress=False)
    monkeypatch.setattr("pyg_gears.gears.prepare_parts", lambda *a, **k: pytest.fail("the encoder was trained"))
    other = recipe.change({"embedding": {"components": 5}})
    with pytest.raises(ValueError, match="expected the recipe, slides and cells of the run begun in"):
        Gears(other).fit(tissue.slides, work_dir=tmp_path, progress=False)


def test_devices_are_checked_first(tissue, recipe, fitted) -> None:
    for seed in ("a", -1, 1.5):
        with pytest.raises(InputError, match=f"expected a seed of a whole number of at least 0, found {seed!r}"):
            fitted.reconstruct(tissue.cells, seed=seed, progress=False)
    with pytest.raises(InputError, match="expected settings as LayoutSettings, found dict; make them"):
        fitted.reconstruct(tissue.cells, settings={}, progress=False)
    with pytest.raises(ValueError, match="expected a device among auto, cpu and cuda, found 'gpu'"):
        Gears(recipe).fit(tissue.slides, device="gpu", progress=False)
    with pytest.raises(ValueError, match="expected a device among auto, cpu and cuda, found 'gpu'"):
        fitted.reconstruct(tissue.cells, device="gpu", progress=False)


def edited(fitted: FittedGears, folder: Path, change: Callable[[dict], None]) -> Path:
    """A model whose content was changed and sealed again: only what the parts themselves show gives it away."""
    fitted.save(folder)
    content = torch.load(folder / "model.pt", weights_only=True)
    change(content)
    write_sealed(folder / "model.pt", content)
    return folder


EDITS: dict[str, Callable[[dict], None]] = {
    "no recipe": lambda c: c.pop("recipe"),
    "an empty encoder": lambda c: c.update(encoder={}),
    "another encoder": lambda c: c["encoder"].update(type="nonesuch"),
    "fewer genes": lambda c: c["encoder"].update(genes=c["encoder"]["genes"][:-1]),
    "genes of numbers": lambda c: c["encoder"].update(genes=3),
    "no members": lambda c: c.update(members=[]),
    "members without a weight": lambda c: c["members"][0].popitem(),
    "members of another shape": lambda c: c.update(
        members=[{k: v[:-1] if v.dim() else v for k, v in c["members"][0].items()}]
    ),
    "members that are a word": lambda c: c.update(members="abc"),
    "a recipe of another schema": lambda c: c["recipe"].update(colour="red"),
    "a recipe of another size": lambda c: c["recipe"]["model"].update(hidden_channels=16),
    "support without positions": lambda c: c["support"].update(pos=[]),
    "support of another width": lambda c: c["support"].update(x=[x[:, :-1] for x in c["support"]["x"]]),
    "an unequal calibration": lambda c: c["calibration"].update(spread=[0.1], confidence=[0.5, 0.4]),
    "a confidence above one": lambda c: c["calibration"].update(spread=[0.0, 9.0], confidence=[4.0, 3.0]),
    "a report of tensors": lambda c: c["report"].update(slides=[torch.ones(1)]),
    "no report": lambda c: c.update(report=None),
    "an adapter of another width": lambda c: c.update(adapter={"weight": torch.eye(2), "bias": torch.zeros(2)}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_model_of_foreign_parts_is_refused_with_version_and_remedy(fitted, tmp_path, edit) -> None:
    folder = edited(fitted, tmp_path / "model", EDITS[edit])
    with pytest.raises(
        InputError, match=r"expected a model of pyg-gears \d.*, found parts that do not fit .*fit it again"
    ):
        load(folder)


def test_a_model_of_format_4_is_read(fitted, tmp_path) -> None:
    fitted.save(tmp_path)
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    del content["version"]
    torch.save({**content, "format": 4}, tmp_path / "model.pt")
    assert load(tmp_path).report == fitted.report


def test_a_work_folder_is_used_by_one_fit_at_a_time(tissue, recipe, tmp_path) -> None:
    with locked_folder(tmp_path / "work"), pytest.raises(InputError, match="expected a folder that no other run uses"):
        Gears(recipe).fit(tissue.slides, work_dir=tmp_path / "work", progress=False)
    assert not (tmp_path / "work").exists()


def test_a_folder_of_shards_is_used_by_one_reconstruction_at_a_time(fitted, tissue, tmp_path) -> None:
    with locked_folder(tmp_path), pytest.raises(InputError, match="expected a folder that no other run uses"):
        fitted.reconstruct(tissue.cells, shard_dir=tmp_path, progress=False)


def test_cells_that_are_all_alike_are_refused_before_any_work(tissue, recipe, tmp_path) -> None:
    alike = replace(tissue.cells, counts=tissue.cells.counts[np.zeros(len(tissue.cells), dtype=int)])
    with pytest.raises(InputError, match="expected cells that differ, found 150 with the same expression"):
        Gears(recipe).fit(tissue.slides, alike, work_dir=tmp_path / "work", progress=False)
    assert not (tmp_path / "work").exists()


def test_a_model_in_the_home_folder(fitted, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fitted.save("~/model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    assert FittedGears.load("~/model").report == fitted.report


def test_one_section_in_two_slides_is_pointed_out(tissue, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tissue.slides[:2]
    filtered = replace(first.select(np.arange(0, len(first), 2)), name="filtered")
    monkeypatch.setattr(Gears, "_fit", lambda *_: None)
    gears = Gears(Recipe.preset("quick"))
    with pytest.warns(UserWarning, match=f"{first.name} and filtered hold the same spots, so what is held out may be"):
        gears.fit([first, second, filtered], tissue.cells)
    gears.fit([first, second], tissue.cells)
