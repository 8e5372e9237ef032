"""From slides to what training needs: genes, encoder, split, minisets."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.transforms import Compose

from pyg_gears.data import EmbeddedSlide, MinisetDataset, Slide, shared_genes, split_slides
from pyg_gears.encoders import Encoder, fit_candidate_projection, variable_genes
from pyg_gears.errors import expect, nearest_name
from pyg_gears.graphs import knn
from pyg_gears.training.encoder_training import check_embedding, fit_encoder
from pyg_gears.training.model_recipe import GraphRecipe
from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph, GeometricTargets

WALK_NEIGHBORS = 20
BLOCK = 0.2


class Prepared(NamedTuple):
    """What a run is made of.

    Attributes:
        encoder: Frozen encoder; it has seen nothing of the held-out spots.
        train: Training minisets.
        validation: Fixed minisets of the held-out spots.
        held_out: The held-out slides, or the slides whose blocks are held out.
        features: What the encoder's networks read of the training spots, as if these were new, shape (m, f).
        candidates: How candidate graphs are built, from the training spots alone where anything about it is learned.
    """

    encoder: Encoder
    train: MinisetDataset
    validation: MinisetDataset
    held_out: tuple[EmbeddedSlide, ...]
    features: Float[Tensor, "m f"]
    candidates: CandidateGraph


def candidate_search(graph: GraphRecipe, projection: Tensor | None) -> CandidateGraph:
    """The candidate graph of a recipe, with the projection (c, d) that was learned for it, if one was."""
    return CandidateGraph(graph.k, graph.metric, graph.mutual, graph.jaccard, projection, graph.gate_target)


def held_out_name(slides: Sequence[Slide], validate: str | None) -> str | None:
    """The slide that validates: the one named, else the last of three or more, else none (a block of each)."""
    if validate is None and len(slides) >= 3:
        return slides[-1].name
    return validate


def check_slides(slides: Sequence[Slide], cells: Slide | None, validate: str | None) -> None:
    """Check that slides (and cells) can be used together, before any work.

    Raises:
        InputError: for no slides, duplicated names, an unknown name to hold out, or too few shared genes.
    """
    expect(len(slides) > 0, "expected at least one slide, found none; pass slides with positions.")
    names = [slide.name for slide in slides]
    expect(
        len(set(names)) == len(names),
        f"expected slides with different names, found {', '.join(names)}; rename the files.",
    )
    shared_genes([*slides, cells] if cells is not None else slides)
    if validate is not None:
        expect(
            validate in names,
            f"expected --validate to name one of the slides {', '.join(names)}, found {validate!r}"
            f"{nearest_name(validate, names)}; use the file's stem.",
        )
        expect(
            len(slides) > 1,
            f"expected a slide besides {validate} to train on, found none; add slides or leave out --validate.",
        )


def prepare(
    recipe: Recipe,
    slides: Sequence[Slide],
    cells: Slide | None,
    validate: str | None,
    work: Path | None,
    *,
    progress: bool = False,
) -> Prepared:
    """Choose genes, fit the encoder, split, and set up minisets.

    Genes are shared by all slides (and the cells), the most variable ones over the training spots; gene choice, encoder and
    training minisets see no held-out spot (a learned encoder keeps the state that agrees best with the held-out tissue).

    Args:
        recipe: The recipe.
        slides: Slides with positions, names unique.
        cells: Cells without positions whose expression helps the encoder.
        validate: Name of the slide to hold out; by default the last of three or more, else a spatial block of each slide.
        work: Folder for finished minisets and the encoder's checkpoints.
        progress: Show progress bars.

    Raises:
        InputError: for no slides, duplicated or unknown names, or too few shared genes.
    """
    check_slides(slides, cells, validate)
    held = held_out_name(slides, validate)
    check_embedding(recipe.embedding, len(slides) - (held is not None), cells=cells is not None)
    genes = shared_genes([*slides, cells] if cells is not None else slides)
    slides = [slide.subset_genes(genes) for slide in slides]
    bare = [EmbeddedSlide(s.name, torch.empty(len(s), 0), torch.tensor(s.pos)) for s in slides]
    name = held_out_name(slides, validate)
    seed = recipe.training.seed
    train_part, validation_part = split_slides(bare, name, fraction=BLOCK, seed=seed)

    by_name = {slide.name: slide for slide in slides}
    seen = [
        by_name[part.name] if part.allowed is None else by_name[part.name].select(part.allowed.numpy())
        for part in train_part
    ]
    chosen = recipe.embedding
    kept = variable_genes(seen, chosen.genes, chosen.normalization)
    fitted = fit_encoder(
        chosen,
        [slide.subset_genes(kept) for slide in seen],
        None if cells is None else cells.subset_genes(kept),
        [(by_name[part.name].subset_genes(kept), part.allowed) for part in validation_part],
        seed=seed,
        folder=work and work / "encoder",
        progress=progress,
    )
    encoder = fitted.encoder
    embedded = {part.name: found.x for part, found in zip(validation_part, fitted.held_out, strict=True)}
    train_embedded = {}
    for part, found in zip(train_part, fitted.train, strict=True):
        # Spots outside the part belong to a held-out block; no miniset of training reads them.
        whole = torch.zeros(len(part.pos), encoder.out_channels)
        whole[slice(None) if part.allowed is None else part.allowed] = found.x
        train_embedded[part.name] = whole

    def fill(part: EmbeddedSlide, x: Tensor) -> EmbeddedSlide:
        neighbors = knn(x, WALK_NEIGHBORS, metric=recipe.graph.metric).index
        return part._replace(x=x, neighbors=neighbors)

    cache = work and work / "minisets"
    drawn = [slice(None) if part.allowed is None else part.allowed for part in train_part]
    spots = [
        (train_embedded[part.name][inside], part.pos[inside]) for part, inside in zip(train_part, drawn, strict=True)
    ]
    graph = recipe.graph
    projection = fit_candidate_projection(spots, graph.projection, seed=seed) if graph.projection else None
    candidates = candidate_search(graph, projection)
    transform = Compose([GeometricTargets(), candidates])
    train_recipe = dataclasses.replace(recipe.minisets, seed=seed + recipe.minisets.seed)
    validation_recipe = dataclasses.replace(
        recipe.minisets, count=recipe.training.validation, paired=False, seed=seed + recipe.minisets.seed + 1_000_003
    )
    held_out = tuple(fill(part, embedded[part.name]) for part in validation_part)
    train_slides = [fill(part, train_embedded[part.name]) for part in train_part]
    train = MinisetDataset(train_slides, train_recipe, pre_transform=transform, cache=cache)
    validation = MinisetDataset(held_out, validation_recipe, pre_transform=transform, cache=cache)
    return Prepared(
        encoder, train, validation, held_out, torch.cat([found.features for found in fitted.train]), candidates
    )
