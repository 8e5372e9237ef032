"""From slides to what training needs: genes, split, encoder, minisets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import EmbeddedSlide, MinisetDataset, Slide, SlidePart
from pyg_gears.data.gene_overlap import check_overlap
from pyg_gears.data.slide import check_slide_names
from pyg_gears.encoders import Encoder, fit_candidate_projection
from pyg_gears.errors import expect
from pyg_gears.seeds import child_seed
from pyg_gears.training.candidate_search import candidate_search
from pyg_gears.training.encoder_training import fit_encoder
from pyg_gears.training.held_out import check_held_out, held_out_slide
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.parts import Parts, choose_parts
from pyg_gears.training.projection_training import fit_gate_projection
from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph


class Prepared(NamedTuple):
    """What a run is made of.

    Attributes:
        encoder: Frozen encoder; it has seen nothing of the held-out spots (unless their expression was given as cells).
        candidates: How candidate graphs are built, from the training spots alone where anything about it is learned.
        train: Training minisets; ``train.slides`` are the embedded training spots.
        validation: Fixed minisets of the held-out spots; ``validation.slides`` are those, embedded.
        features: What the encoder's networks read of the training spots, as if these were new, shape (m, f).
        blocks: Whether a block of each slide is held out, rather than a whole slide.
        encoder_steps: Steps of the encoder's networks that agree best with the held-out spots; None without such a choice.
    """

    encoder: Encoder
    candidates: CandidateGraph
    train: MinisetDataset
    validation: MinisetDataset
    features: Float[Tensor, "m f"]
    blocks: bool
    encoder_steps: int | None = None


def held_out_name(slides: Sequence[Slide], validate: str | None) -> str | None:
    """The name of the slide that validates; see :func:`~pyg_gears.training.held_out.held_out_slide`."""
    return held_out_slide([slide.name for slide in slides], validate)


def check_slides(slides: Sequence[Slide], cells: Slide | None, validate: str | None) -> None:
    """Check that slides (and cells) can be used together, before any work; few shared genes give a warning.

    Raises:
        InputError: for no slides, duplicated names, an unknown name to hold out, or too few shared genes.
    """
    expect(len(slides) > 0, "expected at least one slide, found none; pass slides with positions.")
    names = [slide.name for slide in slides]
    check_slide_names(names)
    check_overlap([*slides, cells] if cells is not None else slides, stacklevel=3)
    check_held_out(names, validate)


def prepare(
    recipe: Recipe,
    slides: Sequence[Slide],
    cells: Slide | None,
    validate: str | None,
    work: Path | None,
    *,
    cells_in_training: bool = False,
    device: torch.device | str = "cpu",
) -> Prepared:
    """Choose genes, split, fit the encoder, and set up minisets.

    Genes are shared by all slides (and the cells), the most variable ones over the training spots; gene choice, encoder and
    training minisets see no held-out spot (a learned encoder keeps the state that agrees best with the held-out tissue).

    Args:
        recipe: The recipe.
        slides: Slides with positions, names unique.
        cells: Cells without positions whose expression helps the encoder.
        validate: Name of the slide to hold out; by default the last of three or more, else a spatial block of each slide.
        work: Folder for finished minisets and the encoder's checkpoints.
        cells_in_training: See :func:`~pyg_gears.training.encoder_training.fit_encoder`.
        device: Where the encoder's networks are trained.

    Raises:
        InputError: for no slides, duplicated or unknown names, or too few shared genes.
    """
    check_slides(slides, cells, validate)
    parts = choose_parts(recipe, slides, cells, held_out_name(slides, validate))
    return prepare_parts(recipe, parts, work, cells_in_training=cells_in_training, device=device)


def prepare_parts(
    recipe: Recipe,
    parts: Parts,
    work: Path | None,
    *,
    cells_in_training: bool = False,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> Prepared:
    """:func:`prepare` from parts that were chosen before: fit the encoder, and set up minisets."""
    seed = recipe.training.seed
    fit = fit_encoder(
        recipe.embedding,
        [part.spots for part in parts.train],
        parts.cells,
        [(part.slide, torch.from_numpy(part.inside)) for part in parts.held_out],
        seed=child_seed(seed, "encoder"),
        cells_in_training=cells_in_training,
        folder=work and work / "encoder",
        progress=progress,
        device=device,
    )
    train = [_embedded(part, found.x) for part, found in zip(parts.train, fit.train, strict=True)]
    # A held-out block is embedded with its whole slide, whose mean centres it.
    held_out = [
        _embedded(part, found.x[torch.from_numpy(part.inside)])
        for part, found in zip(parts.held_out, fit.held_out, strict=True)
    ]
    cache = work and work / "minisets"
    candidates = candidate_search(recipe, candidate_projection(recipe, train, cache, device))
    return Prepared(
        encoder=fit.encoder,
        candidates=candidates,
        train=recipe_minisets(
            train,
            recipe,
            candidates,
            seed=child_seed(seed, "train"),
            views=recipe.views,
            cache=cache,
        ),
        validation=recipe_minisets(
            held_out,
            recipe,
            candidates,
            seed=child_seed(seed, "validation", 0),
            count=recipe.training.validation,
            cache=cache,
        ),
        features=torch.cat([found.features for found in fit.train]),
        blocks=parts.blocks,
        encoder_steps=fit.steps,
    )


def candidate_projection(
    recipe: Recipe, train: Sequence[EmbeddedSlide], cache: Path | None, device: torch.device | str
) -> Float[Tensor, "c d"] | None:
    """The map of H in which candidates are searched, learned on the training spots; None for H itself."""
    seed, gate = recipe.training.seed, getattr(recipe.model, "gate", None)
    if recipe.graph.projection:
        spots = [(slide.x, slide.pos) for slide in train]
        return fit_candidate_projection(spots, recipe.graph.projection, seed=child_seed(seed, "projection"))
    if gate is None or gate.projection is None:
        return None
    plain = recipe_minisets(
        train, recipe, candidate_search(recipe, None), seed=child_seed(seed, "projection minisets"), cache=cache
    )
    return fit_gate_projection(
        gate,
        plain,
        node_budget=recipe.training.node_budget,
        seed=child_seed(seed, "projection"),
        device=device,
    )


def _embedded(part: SlidePart, x: Float[Tensor, "n c"]) -> EmbeddedSlide:
    pos = part.slide.pos
    assert pos is not None
    return EmbeddedSlide(part.slide.name, x, torch.tensor(pos[part.inside]), part.slide_id)
