"""A fold: one slide held out, the encoder and the minisets of the others made once for all runs that share them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pyg_gears.data import EmbeddedSlide, MinisetDataset, Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.errors import expect
from pyg_gears.lab.experiments.experiment import Protocol
from pyg_gears.lab.experiments.random_candidates import RandomCandidates
from pyg_gears.seeds import torch_stream
from pyg_gears.training.embedding_recipe import ComponentEmbedding, GenesFront, LearnedEmbedding
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.preparation import Prepared, prepare
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding
from pyg_gears.training.recipe import Recipe


@dataclass(frozen=True)
class Preparation:
    """What decides the encoder and the minisets of a run.

    Attributes:
        fold: Name of the slide held out.
        protocol: "inductive" or "transductive", see :func:`prepare_fold`.
        recipe: The recipe; only the sections that :func:`~pyg_gears.training.preparation.prepare` reads matter.
        embedding: "own" or "noise", see :class:`~pyg_gears.lab.experiments.Variant`.
        candidates: "own" or "random", likewise.
    """

    fold: str
    protocol: Protocol
    recipe: Recipe
    embedding: str
    candidates: str = "own"

    @property
    def encoder_key(self) -> str:
        """The same for preparations that train the same encoder, and so can share a folder."""
        return fingerprint(self.fold, self.protocol, *self._parts()[:2])[:16]

    @property
    def key(self) -> str:
        """The same for preparations with the same encoder and minisets."""
        return fingerprint(self.fold, self.protocol, self.embedding, self.candidates, *self._parts())[:16]

    def _parts(self) -> tuple[Any, ...]:
        recipe, training = self.recipe, self.recipe.training
        gate = getattr(recipe.model, "gate", None)
        target = None if gate is None else gate.target
        # A projection is learned with a gate of the recipe's kind and size, in batches of its budget.
        projection = None if gate is None or gate.projection is None else (gate, training.node_budget)
        minisets = recipe.minisets, recipe.views, recipe.graph, training.validation
        return recipe.embedding, training.seed, *minisets, target, projection


def prepare_fold(
    recipe: Recipe,
    slides: Sequence[Slide],
    held_out: str,
    protocol: Protocol,
    folder: Path | None = None,
    *,
    device: str = "cpu",
) -> Prepared:
    """Encoder and minisets with one slide held out.

    Under both protocols the coordinates of the held-out slide take no part in genes, components, networks and training
    minisets; as in every fit they choose the state of a learned encoder and, later, the epoch of the model. Under the inductive
    protocol its expression takes no part either. Under the transductive protocol the encoder is fitted with it as with cells
    of unknown position: in the components, and in the terms of the networks' training that need no positions. The encoder
    of d7 had seen the coordinates of all slides too.

    Args:
        recipe: The recipe.
        slides: All slides.
        held_out: Name of the slide held out.
        protocol: "inductive" or "transductive".
        folder: Where checkpoints of the encoder and finished minisets go.
        device: Where the encoder is trained.
    """
    cells = None
    if protocol == "transductive":
        cells = next((dataclasses.replace(slide, pos=None) for slide in slides if slide.name == held_out), None)
    return prepare(recipe, slides, cells, held_out, folder, cells_in_training=cells is not None, device=device)


def check_protocol(recipe: Recipe, protocol: Protocol) -> None:
    """Check that the protocol makes a difference to the encoder.

    Raises:
        InputError: for the transductive protocol and an encoder of whose fit no part can use expression without positions.
    """
    chosen = recipe.embedding
    if protocol == "inductive" or isinstance(chosen, ComponentEmbedding | PublishedEmbedding):
        return
    front = isinstance(chosen, LearnedEmbedding) and not isinstance(chosen.front, GenesFront)
    expect(
        front or chosen.vicreg is not None,
        "expected embedding.vicreg or components with the transductive protocol, found an encoder that learns from positions "
        "alone; set embedding.vicreg, or choose the inductive protocol.",
    )


def prepare_folds(
    preparations: Sequence[Preparation], slides: Sequence[Slide], folder: Path, device: str = "cpu"
) -> dict[str, Prepared]:
    """Make encoder and minisets of preparations that share an encoder, one after the other.

    Args:
        preparations: Preparations of one ``encoder_key``.
        slides: All slides.
        folder: Their common folder: checkpoints of the encoder and finished minisets, from which a killed call goes on.
        device: Where the encoder is trained.

    Returns:
        ``key`` to encoder and minisets; these are on disk already, and not held in memory.
    """
    found = {}
    for preparation in preparations:
        fold, protocol = preparation.fold, preparation.protocol
        prepared = prepare_fold(preparation.recipe, slides, fold, protocol, folder, device=device)
        if preparation.embedding == "noise":
            prepared = _without_information(prepared, preparation.recipe, folder / "minisets")
        if preparation.candidates == "random":
            prepared = _with_random_candidates(prepared, preparation.recipe, folder / "minisets")
        for minisets in (prepared.train, prepared.validation):
            minisets.keep_in_memory = False
            for number in range(len(minisets)):
                _ = minisets[number]
            minisets.keep_in_memory = True
        found[preparation.key] = prepared
    return found


def _without_information(prepared: Prepared, recipe: Recipe, cache: Path) -> Prepared:
    """The same minisets with Gaussian noise as embedding, of each channel's mean and standard deviation on the slide."""

    def redraw(slides: Sequence[EmbeddedSlide], start: int) -> list[EmbeddedSlide]:
        result = []
        for number, slide in enumerate(slides, start):
            generator = torch_stream(recipe.training.seed, "noise", number)
            noise = torch.randn(slide.x.shape, generator=generator, dtype=slide.x.dtype)
            result.append(slide._replace(x=slide.x.mean(dim=0) + slide.x.std(dim=0) * noise))
        return result

    def rebuild(minisets: MinisetDataset, slides: Sequence[EmbeddedSlide]) -> MinisetDataset:
        return MinisetDataset(
            slides,
            minisets.recipe,
            pre_transform=minisets.pre_transform,
            seed=minisets.seed,
            count=minisets.count,
            cache=cache,
        )

    train = redraw(prepared.train.slides, 0)
    held_out = redraw(prepared.validation.slides, len(train))
    return prepared._replace(train=rebuild(prepared.train, train), validation=rebuild(prepared.validation, held_out))


def _with_random_candidates(prepared: Prepared, recipe: Recipe, cache: Path) -> Prepared:
    """The same minisets, and the same search of candidates for later, on candidates without information."""
    candidates = RandomCandidates.like(prepared.candidates)

    def rebuild(minisets: MinisetDataset) -> MinisetDataset:
        return recipe_minisets(
            minisets.slides,
            recipe,
            candidates,
            seed=minisets.seed,
            count=minisets.count,
            views=minisets.views,
            cache=cache,
        )

    return prepared._replace(
        candidates=candidates, train=rebuild(prepared.train), validation=rebuild(prepared.validation)
    )
