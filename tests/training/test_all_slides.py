from __future__ import annotations

from functools import partial

import pytest
import torch

from pyg_gears.encoders import fit_candidate_projection
from pyg_gears.seeds import child_seed
from pyg_gears.training import preparation
from pyg_gears.training.all_slides import as_held_out, joined_slides, prepare_all_slides
from pyg_gears.training.encoder_training import fit_encoder
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.parts import choose_parts
from pyg_gears.training.preparation import prepare_parts

NAMES = ["slide_0", "slide_1", "slide_2"]


@pytest.mark.parametrize("held_out", ["slide_1", None])
def test_joined_slides_are_both_sides_in_the_order_of_the_spots(tiny_recipe, tissue, held_out) -> None:
    parts = choose_parts(tiny_recipe, tissue.slides, None, held_out)
    made = prepare_parts(tiny_recipe, parts, None)
    embedded = joined_slides(parts, made)
    assert [slide.name for slide in parts.slides] == [one.name for one in embedded] == NAMES
    for number, (slide, one) in enumerate(zip(parts.slides, embedded, strict=True)):
        assert one.slide_id == number
        assert torch.equal(one.pos, torch.tensor(slide.pos))
        for sides, found in ((parts.train, made.train), (parts.held_out, made.validation)):
            for part, own in zip(sides, found.slides, strict=True):
                if part.slide_id == number:
                    assert torch.equal(one.x[torch.from_numpy(part.inside)], own.x)
    kept = as_held_out(parts, made)
    assert kept.encoder is made.encoder
    assert [len(slide.x) for slide in kept.seen] == [len(part.spots) for part in parts.train]
    minisets = recipe_minisets(embedded, tiny_recipe, made.candidates, seed=0)
    assert {int(minisets[number].slide_id) for number in range(len(minisets))} == {0, 1, 2}


@pytest.mark.parametrize("held_out", ["slide_1", None])
def test_the_encoder_of_all_slides_is_that_of_a_fit_to_them_alone(tiny_recipe, tissue, held_out) -> None:
    parts = choose_parts(tiny_recipe, tissue.slides, None, held_out)
    found = prepare_all_slides(tiny_recipe, parts, None)
    alone = fit_encoder(tiny_recipe.embedding, parts.slides, None, (), seed=child_seed(0, "encoder"))
    assert [slide.name for slide in found.embedded] == [slide.name for slide in found.seen] == NAMES
    for one, expected, slide in zip(found.embedded, alone.train, parts.slides, strict=True):
        assert torch.equal(one.x, expected.x)
        assert torch.equal(one.pos, torch.tensor(slide.pos))
    assert torch.equal(found.features, torch.cat([one.features for one in alone.train]))
    assert found.encoder.genes == parts.genes
    held = prepare_parts(tiny_recipe, parts, None).encoder
    assert not torch.equal(held.components, found.encoder.components)


def test_candidates_are_searched_in_a_projection_that_all_slides_teach(
    tiny_recipe, tissue, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(preparation, "fit_candidate_projection", partial(fit_candidate_projection, steps=20))
    recipe = tiny_recipe.change({"graph": {"projection": 3}})
    parts = choose_parts(recipe, tissue.slides, None, "slide_1")
    found, held = prepare_all_slides(recipe, parts, tmp_path), prepare_parts(recipe, parts, None)
    assert found.candidates.projection.shape == (6, 3)
    assert not torch.equal(found.candidates.projection, held.candidates.projection)
