"""A fold: one slide held out, the encoder and the minisets of the others made once for all runs that share them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_gears.data import EmbeddedSlide, MinisetDataset, Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.graphs import knn
from pyg_gears.lab.experiments.experiment import Protocol
from pyg_gears.training.preparation import WALK_NEIGHBORS, Prepared, prepare
from pyg_gears.training.recipe import Recipe


@dataclass(frozen=True)
class Preparation:
    """What decides the encoder and the minisets of a run.

    Attributes:
        fold: Name of the slide held out.
        protocol: "inductive" or "transductive", see :func:`prepare_fold`.
        recipe: The recipe; only the sections that :func:`~pyg_gears.training.preparation.prepare` reads matter.
        embedding: "own" or "noise", see :class:`~pyg_gears.lab.experiments.Variant`.
    """

    fold: str
    protocol: Protocol
    recipe: Recipe
    embedding: str

    @property
    def encoder_key(self) -> str:
        """The same for preparations that train the same encoder, and so can share a folder."""
        return fingerprint(self.fold, self.protocol, *self._parts()[:3])[:16]

    @property
    def key(self) -> str:
        """The same for preparations with the same encoder and minisets."""
        return fingerprint(self.fold, self.protocol, self.embedding, *self._parts())[:16]

    def _parts(self) -> tuple[Any, ...]:
        fields = self.recipe.as_dict()
        training = fields["training"]
        encoder = fields["embedding"], fields.get("encoder"), training["seed"]
        return *encoder, fields["minisets"], fields["graph"], training["validation"]


def prepare_fold(
    recipe: Recipe, slides: Sequence[Slide], held_out: str, protocol: Protocol, folder: Path | None = None
) -> Prepared:
    """Encoder and minisets with one slide held out.

    Under both protocols the coordinates of the held-out slide take no part in genes, components, networks and training
    minisets; as in every fit they choose the state of a learned encoder and, later, the epoch of the model. Its expression
    takes no part under the inductive protocol. Under the transductive protocol it does: the encoder is fitted with it as with
    cells of unknown position.

    Args:
        recipe: The recipe.
        slides: All slides.
        held_out: Name of the slide held out.
        protocol: "inductive" or "transductive".
        folder: Where checkpoints of the encoder and finished minisets go.
    """
    cells = None
    if protocol == "transductive":
        cells = next((dataclasses.replace(slide, pos=None) for slide in slides if slide.name == held_out), None)
    return prepare(recipe, slides, cells, held_out, folder)


def prepare_folds(preparations: Sequence[Preparation], slides: Sequence[Slide], folder: Path) -> dict[str, Prepared]:
    """Make encoder and minisets of preparations that share an encoder, one after the other.

    Args:
        preparations: Preparations of one ``encoder_key``.
        slides: All slides.
        folder: Their common folder: checkpoints of the encoder and finished minisets, from which a killed call goes on.

    Returns:
        ``key`` to encoder and minisets; these are on disk already, and not held in memory.
    """
    found = {}
    for preparation in preparations:
        prepared = prepare_fold(preparation.recipe, slides, preparation.fold, preparation.protocol, folder)
        if preparation.embedding == "noise":
            prepared = _without_information(prepared, preparation.recipe, folder / "minisets")
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
            noise = np.random.default_rng([recipe.training.seed, number]).standard_normal(slide.x.shape)
            x = slide.x.mean(dim=0) + slide.x.std(dim=0) * torch.from_numpy(noise).to(slide.x)
            result.append(slide._replace(x=x, neighbors=knn(x, WALK_NEIGHBORS, metric=recipe.graph.metric).index))
        return result

    def rebuild(minisets: MinisetDataset, slides: Sequence[EmbeddedSlide]) -> MinisetDataset:
        return MinisetDataset(slides, minisets.recipe, pre_transform=minisets.pre_transform, cache=cache)

    train = redraw(prepared.train.slides, 0)
    held_out = redraw(prepared.held_out, len(train))
    return prepared._replace(
        train=rebuild(prepared.train, train),
        validation=rebuild(prepared.validation, held_out),
        held_out=tuple(held_out),
    )
