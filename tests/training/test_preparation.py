from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from pyg_gears.data import MinisetLoader, Slide
from pyg_gears.encoders import fit_candidate_projection
from pyg_gears.graphs import candidate_graph
from pyg_gears.training import preparation
from pyg_gears.training.preparation import check_slides, held_out_name, prepare


def scrambled(slide: Slide) -> Slide:
    """The slide with every gene's counts permuted over the spots."""
    counts = slide.counts.toarray()
    return dataclasses.replace(slide, counts=type(slide.counts)(np.random.default_rng(0).permuted(counts, axis=0)))


def test_the_held_out_slide_reaches_nothing(tiny_recipe, tissue, prepared) -> None:
    """Another expression on the held-out slide changes neither genes, encoder nor training minisets."""
    slides = [*tissue.slides[:2], scrambled(tissue.slides[2])]
    other = prepare(tiny_recipe, slides, None, None, None)
    assert [s.name for s in prepared.validation.slides] == [tissue.slides[2].name]
    assert other.encoder.genes == prepared.encoder.genes
    assert torch.equal(other.encoder.components, prepared.encoder.components)
    for a, b in zip(prepared.train.slides, other.train.slides, strict=True):
        assert torch.equal(a.x, b.x)
    assert not torch.equal(other.validation.slides[0].x, prepared.validation.slides[0].x)


def test_one_slide_validates_on_a_block_that_training_never_draws(tiny_recipe, tissue) -> None:
    slide = tissue.slides[0]
    found = prepare(tiny_recipe, [slide], None, None, None)
    assert found.blocks
    assert not prepare(tiny_recipe, tissue.slides, None, None, None).blocks
    train, held = ({tuple(p) for p in side.slides[0].pos.tolist()} for side in (found.train, found.validation))
    assert not train & held
    assert train | held == {tuple(p) for p in slide.pos.tolist()}
    # The block is embedded as part of its slide, by whose mean expression it is centred.
    inside = torch.tensor([tuple(p) in held for p in slide.pos.tolist()])
    whole = found.encoder.encode(slide)
    torch.testing.assert_close(found.validation.slides[0].x, whole[inside])


def test_no_coordinate_reaches_a_batch(prepared) -> None:
    for batch in MinisetLoader(prepared.train, 200):
        assert batch.pos is None
        n = batch.num_nodes
        assert not any(torch.is_tensor(v) and v.shape == (n, 2) for v in batch.to_dict().values())


def test_cells_join_the_encoder_and_bring_their_genes(tiny_recipe, tissue) -> None:
    panel = tissue.cells.subset_genes(tissue.cells.genes[:40])
    found = prepare(tiny_recipe, tissue.slides, panel, None, None)
    assert set(found.encoder.genes) <= set(panel.genes)
    without = prepare(tiny_recipe, [s.subset_genes(panel.genes) for s in tissue.slides], None, None, None)
    assert not torch.equal(found.encoder.components, without.encoder.components)


def test_who_validates(tissue) -> None:
    names = [slide.name for slide in tissue.slides]
    assert held_out_name(tissue.slides, None) == names[-1]
    assert held_out_name(tissue.slides, names[0]) == names[0]
    assert held_out_name(tissue.slides[:2], None) is None


def test_slides_that_do_not_go_together_are_refused(tissue) -> None:
    a, b = tissue.slides[:2]
    with pytest.raises(ValueError, match="expected at least one slide, found none"):
        check_slides([], None, None)
    with pytest.raises(ValueError, match="expected slides with different names"):
        check_slides([a, a], None, None)
    with pytest.raises(ValueError, match=r"name one of the slides .* found 'slide_7'"):
        check_slides([a, b], None, "slide_7")
    with pytest.raises(ValueError, match="expected a slide other than"):
        check_slides([a], None, a.name)
    foreign = dataclasses.replace(b, genes=tuple(f"x{i}" for i in range(len(b.genes))))
    with pytest.raises(ValueError, match=r"[Ee]xpected .*shared"):
        check_slides([a, foreign], None, None)


def test_minisets_have_a_seed_of_their_own(tiny_recipe, tissue, prepared) -> None:
    other = prepare(tiny_recipe.change({"minisets": {"seed": 9}}), tissue.slides, None, None, None)
    assert torch.equal(other.encoder.components, prepared.encoder.components)
    assert not torch.equal(other.train[0].node_id, prepared.train[0].node_id)
    assert not torch.equal(other.validation[0].node_id, prepared.validation[0].node_id)


def test_the_candidate_graph_of_the_recipe_is_that_of_the_minisets(tiny_recipe, tissue, monkeypatch) -> None:
    monkeypatch.setattr(preparation, "fit_candidate_projection", partial(fit_candidate_projection, steps=20))
    graph = {"k": 12, "mutual": True, "jaccard": 0.05, "projection": 4}
    recipe = tiny_recipe.change({"graph": graph, "model": {"gate": {"target": "mix"}}})
    found = prepare(recipe, tissue.slides, None, None, None)
    kept = found.candidates
    assert (kept.k, kept.mutual, kept.jaccard, kept.gate_target) == (12, True, 0.05, "mix")
    assert kept.projection.shape == (6, 4)
    for minisets in (found.train, found.validation):
        one = minisets[0]
        plain = candidate_graph(one.x, k=12, mutual=True, jaccard=0.05, projection=kept.projection)
        assert torch.equal(one.edge_index, plain)
    # Learned from the training spots alone.
    slides = [*tissue.slides[:2], scrambled(tissue.slides[2])]
    other = prepare(recipe, slides, None, None, None)
    assert torch.equal(other.candidates.projection, kept.projection)
