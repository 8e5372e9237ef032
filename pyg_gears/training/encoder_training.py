"""Fit the embedding that a recipe names, on training spots only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from pyg_gears.data import Slide
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    EmbeddingOutput,
    Encoder,
    LearnedEncoder,
    PublishedEncoder,
)
from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.errors import expect
from pyg_gears.training.embedding_recipe import (
    ComponentEmbedding,
    D7Embedding,
    EmbeddingRecipe,
    GenesFront,
    LearnedEmbedding,
    TrainedEmbedding,
)
from pyg_gears.training.encoder_module import EncoderSlide
from pyg_gears.training.encoder_networks import divide, train_networks
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding
from pyg_gears.training.published_encoder_training import check_domains_of, fit_published_encoder

HeldOut = Sequence[tuple[Slide, Bool[Tensor, " n"] | None]]


class EncoderFit(NamedTuple):
    """A fitted encoder, and the slides as it embeds them, so that no slide is encoded twice.

    Attributes:
        encoder: The encoder.
        train: The training slides, as the encoder would embed them had it not seen them (``cross_fit``).
        held_out: The held-out slides, whole.
        steps: Steps of the state of the networks that was kept; None without networks that held-out slides choose.
    """

    encoder: Encoder
    train: list[EmbeddingOutput]
    held_out: list[EmbeddingOutput]
    steps: int | None = None


def check_embedding(recipe: EmbeddingRecipe, names: Sequence[str], *, cells: bool) -> None:
    """Check, before any work, that an embedding can be fitted on what there is.

    Args:
        recipe: The embedding.
        names: Names of the training slides.
        cells: Whether there are cells.

    Raises:
        InputError: for an adversary against the modality without cells, or against slides with one slide; for differences between
            slides (``coral``, ``mmd``) with one slide; for what the published
            encoder needs, see :func:`~pyg_gears.training.published_encoder_training.check_domains_of`.
    """
    if isinstance(recipe, PublishedEmbedding):
        check_domains_of(recipe, names, cells=cells)
        return
    if not isinstance(recipe, TrainedEmbedding):
        return
    for name in ("coral", "mmd"):
        expect(
            getattr(recipe, name) == 0 or len(names) > 1,
            f"expected two or more training slides for embedding.{name}, found {len(names)}; add slides, or leave it at 0.",
        )
    if recipe.adversary is None:
        return
    against = recipe.adversary.against
    expect(
        against != "modality" or cells,
        "expected cells for embedding.adversary.against=modality, found none; pass cells, or set it to slides.",
    )
    expect(
        against != "slides" or len(names) > 1,
        f"expected two or more training slides for embedding.adversary.against=slides, found {len(names)}; add slides, or leave "
        "out the adversary.",
    )


def fit_encoder(
    recipe: EmbeddingRecipe,
    slides: Sequence[Slide],
    cells: Slide | None,
    held_out: HeldOut,
    *,
    seed: int,
    steps: int | None = None,
    cells_in_training: bool = False,
    folder: Path | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> EncoderFit:
    """The encoder of a recipe, and the slides as it embeds them.

    A folder that holds a checkpoint of the same run is resumed. Without a folder nothing is written.

    Args:
        recipe: The embedding.
        slides: Training slides on the encoder's genes.
        cells: Cells without positions whose expression joins the fit of the components, and the training of the networks
            where an adversary classifies the modality.
        held_out: Slides by which the state of the networks is chosen, with the spots that are held out (all if None). Without
            any, the networks keep their last state.
        seed: Seed of everything.
        steps: Steps after which the networks' training ends, while the rate falls over those of the recipe; by default all of
            these.
        cells_in_training: Let the cells take part in those terms of the networks' training that need no positions, with or
            without an adversary.
        folder: Where checkpoints go.
        progress: Show progress bars.
        device: Where the networks of ``published`` and ``d7`` are trained. Those of ``learned`` are trained on the CPU: their
            steps are many and small, and on an H200 they took twice as long (docs/gpu.md).

    Returns:
        The encoder and the embedded slides. Those of the training slides are in-sample without ``cross_fit``, and for
        networks that see all spots (``folds=1``, the published encoder and that of d7).

    Raises:
        InputError: see :func:`check_embedding`.
    """
    check_embedding(recipe, [slide.name for slide in slides], cells=cells is not None)
    if isinstance(recipe, ComponentEmbedding):
        encoder, crossed = ComponentEncoder.fit_transform(
            slides,
            cells,
            n_components=recipe.components,
            kind=recipe.kind,
            normalization=recipe.normalization,
            seed=seed,
        )
        train = _training_outputs(encoder, slides, crossed, crossed, cross_fit=recipe.cross_fit)
        return EncoderFit(encoder, train, [encoder.embed(slide) for slide, _ in held_out])
    if isinstance(recipe, PublishedEmbedding):
        own = fit_published_encoder(recipe, slides, cells, seed=seed, folder=folder, progress=progress, device=device)
        return EncoderFit(own, [own.embed(slide) for slide in slides], [own.embed(slide) for slide, _ in held_out])
    front, features = _fit_front(recipe, slides, cells, seed)
    seen = [EncoderSlide(x, _positions(slide)) for x, slide in zip(features, slides, strict=True)]
    known = [front.encode(slide) for slide, _ in held_out]
    validation = []
    for (slide, part), x in zip(held_out, known, strict=True):
        kept = slice(None) if part is None else part
        validation.append(EncoderSlide(x[kept], _positions(slide)[kept]))
    unseen = divide(seen, recipe, seed)
    against_cells = recipe.adversary is not None and recipe.adversary.against == "modality"
    members, trained = train_networks(
        recipe,
        seen,
        unseen,
        validation,
        steps=recipe.steps if steps is None else steps,
        cells=front.encode(cells) if (against_cells or cells_in_training) and cells is not None else None,
        seed=seed,
        folder=folder,
        progress=progress,
        device=device if isinstance(recipe, D7Embedding) else "cpu",
    )
    if isinstance(recipe, D7Embedding):
        plain = PublishedEncoder(front, members[0])
        train = [plain.embed_features(x) for x in features]
        return EncoderFit(plain, train, [plain.embed_features(x) for x in known], trained)
    graphs = [neighbor_graph(slide.pos.numpy()) for slide in seen]
    learned, crossed = LearnedEncoder.assemble(
        front,
        members,
        features,
        unseen,
        graphs,
        divisions=recipe.repeats,
        min_autocorrelation=recipe.min_autocorrelation,
    )
    train = _training_outputs(learned, slides, crossed, features, cross_fit=recipe.cross_fit)
    return EncoderFit(learned, train, [learned.embed_features(x) for x in known], trained)


def _fit_front(
    recipe: LearnedEmbedding | D7Embedding, slides: Sequence[Slide], cells: Slide | None, seed: int
) -> tuple[Encoder, list[Tensor]]:
    """What makes features of expression, and the features of the training slides."""
    normalization = recipe.normalization
    if isinstance(recipe, D7Embedding):
        return CenteredGenes.fit_transform(slides, normalization=normalization, unit=False)
    if isinstance(recipe.front, GenesFront):
        return CenteredGenes.fit_transform(slides, normalization=normalization)
    return ComponentEncoder.fit_transform(
        slides,
        cells,
        n_components=recipe.front.components,
        kind=recipe.front.kind,
        normalization=normalization,
        seed=seed,
    )


def _training_outputs(
    encoder: Encoder, slides: Sequence[Slide], crossed: Sequence[Tensor], features: Sequence[Tensor], *, cross_fit: bool
) -> list[EmbeddingOutput]:
    """The training slides: cross-fitted embeddings, or without ``cross_fit`` what the encoder makes of them."""
    embedded = crossed if cross_fit else [encoder.encode(slide) for slide in slides]
    return [EmbeddingOutput(x, f) for x, f in zip(embedded, features, strict=True)]


def _positions(slide: Slide) -> Tensor:
    assert slide.pos is not None
    return torch.tensor(slide.pos)
