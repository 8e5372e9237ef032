from __future__ import annotations

import pytest
import torch

from pyg_gears.data import MinisetDataset
from pyg_gears.training.final_minisets import final_minisets
from pyg_gears.training.parts import choose_parts
from pyg_gears.training.preparation import prepare_parts
from pyg_gears.training.whole_slides import whole_slides

PAIRS = {"loss": {"overlap": {"views": {"n_min": 8}}}}


@pytest.mark.parametrize("change", [{}, PAIRS], ids=["alone", "pairs"])
def test_what_training_has_built_is_not_built_again(change, tiny_recipe, tissue, monkeypatch) -> None:
    recipe = tiny_recipe.change(change)
    parts = choose_parts(recipe, tissue.slides, None, "slide_1")
    made = prepare_parts(recipe, parts, None)
    trained = [made.train[index] for index in range(len(made.train))]
    for index in range(len(made.validation)):
        made.validation[index]
    minisets = final_minisets(recipe, made, whole_slides(parts, made)[1])
    assert len(minisets) == recipe.minisets.count == len(trained)
    build, built = MinisetDataset._build, []

    def counted(self, index):
        built.append(index)
        return build(self, index)

    monkeypatch.setattr(MinisetDataset, "_build", counted)
    found = [minisets[index] for index in range(len(minisets))]
    assert [int(one.slide_id) for one in found] == [0, 2, 0, 2, 1, 1] if not change else [0, 0, 2, 2, 1, 1]
    assert all(torch.equal(one.node_id, other.node_id) for one, other in zip(found[:4], trained, strict=False))
    assert len(built) == (2 if change else 0)  # validation has drawn no pairs
    if change:
        assert minisets.groups == [(0, 1), (2, 3), (4, 5)]


def test_from_blocks_all_are_drawn_anew(tiny_recipe, tissue) -> None:
    parts = choose_parts(tiny_recipe, tissue.slides, None, None)
    made = prepare_parts(tiny_recipe, parts, None)
    assert made.blocks
    minisets = final_minisets(tiny_recipe, made, whole_slides(parts, made)[1])
    assert isinstance(minisets, MinisetDataset)
    assert [len(slide.pos) for slide in minisets.slides] == [len(slide) for slide in tissue.slides]
