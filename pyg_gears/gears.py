"""The whole method in four calls: fit on slides, reconstruct cells, save, load."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.data import EmbeddedSlide, Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.data.gene_overlap import FEW_SHARED
from pyg_gears.data.io.given import Given, given_cells, given_slides
from pyg_gears.data.leftovers import remove_parts
from pyg_gears.devices import find_device, own_defaults
from pyg_gears.encoders import SCAdapter, TrainingGenes
from pyg_gears.errors import expect
from pyg_gears.fitted_gears import FittedGears
from pyg_gears.layout import (
    ConfidenceCalibration,
    LeftOutOutput,
    Regressions,
    TrainingSupport,
    left_out_quality,
    own_components,
    reconstruct_layout,
    row_spearman,
)
from pyg_gears.models import StructureModel
from pyg_gears.ranks import by_first, join_ranks
from pyg_gears.reconstruction import Reconstruction
from pyg_gears.seeds import child_seed
from pyg_gears.training.build_model import build_model
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.dealt_minisets import check_devices
from pyg_gears.training.encoder_training import check_embedding
from pyg_gears.training.final_minisets import final_minisets
from pyg_gears.training.final_training import train_on_all
from pyg_gears.training.parts import Parts, choose_parts
from pyg_gears.training.preparation import Prepared, check_slides, held_out_name, prepare_parts
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.rival_energies import rival_energies
from pyg_gears.training.structure_training import kept_energies, train_structure
from pyg_gears.training.whole_slides import whole_slides
from pyg_gears.typing import FilePath


class Gears:
    """How expression relates to geometry in a tissue, to be learned from a few slides.

    Args:
        recipe: Every choice of the fit; ``Recipe.preset("standard")`` if omitted.

    >>> from pyg_gears import Gears, Recipe
    >>> Gears(Recipe.preset("quick")).recipe.training.members
    1
    """

    load = staticmethod(FittedGears.load)

    def __init__(self, recipe: Recipe | None = None) -> None:
        expect(
            recipe is None or isinstance(recipe, Recipe),
            f"expected a Recipe, found {type(recipe).__name__}; make one with Recipe.preset(...).change(...).",
        )
        self.recipe = recipe or Recipe.preset("standard")

    def fit(
        self,
        slides: Iterable[Given] | Mapping[str, Given],
        cells: Given | None = None,
        *,
        validate: str | None = None,
        work_dir: FilePath | None = None,
        progress: bool = True,
        device: str = "auto",
    ) -> FittedGears:
        """Learn from slides.

        Spots and cells without a count in the genes that the model reads are left out, with a warning. Processes of one launcher
        (torchrun, srun) fit one model together, if each makes this call; see ``training.devices`` and docs/cluster.md.

        Args:
            slides: Slides with positions, each a path, an AnnData or a ``Slide``: a list (a file is named by its stem, an AnnData
                "slide_0", "slide_1", ... by its place), or a dict of them by name.
            cells: Cells without positions, likewise; their expression joins the encoder's fit, and an adapter is fitted that
                brings them to the training spots (``embedding.adapter``). Of more than 20,000, as many are drawn by the seed.
            validate: Name of the slide held out for early stopping and confidence; by default the last of three or more
                slides, and with fewer a spatial block of each. Its spots join the last epochs and the regressions.
            work_dir: Folder of checkpoints and cached minisets, from which a killed fit goes on; a temporary one if omitted.
            progress: Show progress bars.
            device: Where structure models, and the encoders of ``published`` and ``d7``, are trained: "auto", "cpu" or "cuda".
                The fitted model is on the CPU.

        Returns:
            The fitted model.

        Raises:
            InputError: for slides that cannot be used together, cells that are all alike, a model that the recipe's choices
                cannot make, a ``work_dir`` of another run, or one that another run is using, or a number of processes that does
                not divide ``training.devices``.
        """
        where = find_device(device)
        work_dir = None if work_dir is None else Path(work_dir).expanduser()
        first = join_ranks(cuda=where.type == "cuda").first
        build_model(self.recipe, 8, seed=0)  # refuses, before any work, fields that cannot be combined
        check_devices(self.recipe)
        named = given_slides(slides)
        query = None if cells is None else given_cells(cells, fit_seed=self.recipe.training.seed)
        check_slides(named, query, validate)
        held_out = held_out_name(named, validate)
        training = [slide.name for slide in named if slide.name != held_out]
        check_embedding(self.recipe.embedding, training, cells=query is not None)
        parts = choose_parts(self.recipe, named, query, held_out)
        if first:
            _advise(parts)
        key = fingerprint(self.recipe, named, query, validate)
        with own_defaults(), _work_folder(work_dir) if first else nullcontext(Path(work_dir or ".")) as work:
            return self._fit(parts, work, key, progress, where)

    def _fit(self, parts: Parts, work: Path, key: str, progress: bool, device: torch.device) -> FittedGears:
        """The fit; of several processes the first one does alone what is not dealt, and reads and writes ``work``."""
        recipe, seed = self.recipe, self.recipe.training.seed

        def prepare_alone() -> Prepared:
            claim_folder(work, key, ours=("encoder", "minisets", "member_*"))
            return prepare_parts(recipe, parts, work, progress=progress, device=device)

        prepared = by_first(prepare_alone)
        spots = [(slide.x, slide.pos) for slide in prepared.train.slides]
        support = TrainingSupport.build(spots, prepared.features)
        adapter = None
        if parts.cells is not None and recipe.embedding.adapter is not None:
            # Before the models: cells that no adapter can be fitted to are refused without a training.
            adapter = by_first(lambda: _adapter(recipe, parts, prepared, support))
        chosen_by_validation = tuple(
            train_structure(
                recipe,
                prepared.train,
                prepared.validation,
                seed=child_seed(seed, "member", number),
                folder=work / f"member_{number}",
                projection=prepared.candidates.projection,
                progress=progress,
                device=device,
            )
            for number in range(recipe.training.members)
        )
        held_out = _lay_out_held_out(recipe, parts, prepared, chosen_by_validation, device)
        quality = _held_out_quality(prepared, held_out)
        slides, embedded = whole_slides(parts, prepared)
        minisets = by_first(lambda: final_minisets(recipe, prepared, embedded, cache=work / "minisets"))
        members = tuple(
            train_on_all(
                member,
                recipe,
                minisets,
                seed=child_seed(seed, "final", number),
                folder=work / f"member_{number}" / "all_slides",
                progress=progress,
                device=device,
            )
            for number, member in enumerate(chosen_by_validation)
        )

        def assemble() -> FittedGears:
            return FittedGears(
                recipe=recipe,
                encoder=prepared.encoder,
                adapter=adapter,
                candidates=prepared.candidates,
                members=members,
                support=support,
                regressions=_regressions(recipe, slides, embedded),
                calibration=_calibration(prepared, support, embedded, quality, seed),
                held_out={
                    slide.name: layout for slide, layout in zip(prepared.validation.slides, held_out, strict=True)
                },
                training_genes=TrainingGenes.of([part.spots for part in parts.train], recipe.embedding.normalization),
                report=_report(recipe, parts, prepared, quality, work),
            )

        return by_first(assemble)


@contextmanager
def _work_folder(work_dir: FilePath | None) -> Iterator[Path]:
    """The folder of a fit, held against other runs; a temporary one where none is named."""
    if work_dir is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    with locked_folder(work_dir):
        remove_parts(Path(work_dir))
        yield Path(work_dir)


def _adapter(recipe: Recipe, parts: Parts, prepared: Prepared, support: TrainingSupport) -> SCAdapter:
    chosen = recipe.embedding.adapter
    assert parts.cells is not None
    assert chosen is not None
    return SCAdapter.fit(
        prepared.encoder.encode(parts.cells),
        torch.cat(support.x),
        weights=chosen.weights,
        steps=chosen.steps,
        lr=chosen.lr,
        seed=child_seed(recipe.training.seed, "adapter"),
    )


def _advise(parts: Parts) -> None:
    """Say at once what a user would learn from a refusal of the cells after the training."""
    if parts.cells is None and (len(parts.names) == 1 or len(parts.genes) < FEW_SHARED):
        source = f"of {parts.names[0]} alone" if len(parts.names) == 1 else f"of {len(parts.names)} slides"
        warnings.warn(
            f"fitted without cells, on the {len(parts.genes)} genes {source}: cells that lack a tenth of these can't be laid "
            "out; if you have the cells, name them now (pyg-gears fit ... --cells CELLS).",
            stacklevel=3,
        )


def _lay_out_held_out(
    recipe: Recipe, parts: Parts, prepared: Prepared, members: Sequence[StructureModel], device: torch.device
) -> list[Float[np.ndarray, "n 2"]]:
    """Layouts of the held-out spots, as a query of their slide would be laid out, while nothing has been fitted on them."""
    regressions = _regressions(recipe, [part.spots for part in parts.train], prepared.train.slides)
    return [
        reconstruct_layout(
            members,
            slide.x,
            candidates=prepared.candidates,
            progress=False,
            device=device,
            regressions=regressions.layouts(part.slide, slide.x, part.inside) if regressions else (),
            own=own_components(part.slide, part.inside),
        ).pos
        for part, slide in zip(parts.held_out, prepared.validation.slides, strict=True)
    ]


def _regressions(recipe: Recipe, slides: Sequence[Slide], embedded: Sequence[EmbeddedSlide]) -> Regressions | None:
    if recipe.regressions is None:
        return None
    return Regressions.fit(recipe.regressions, slides, embedded, seed=recipe.training.seed)


def _held_out_quality(prepared: Prepared, layouts: Sequence[Float[np.ndarray, "n 2"]]) -> list[Float[np.ndarray, " n"]]:
    """Of every held-out spot, the rank correlation of its predicted and true distances."""
    slides = prepared.validation.slides
    return [row_spearman(pos, slide.pos.numpy()) for pos, slide in zip(layouts, slides, strict=True)]


def _calibration(
    prepared: Prepared,
    support: TrainingSupport,
    embedded: Sequence[EmbeddedSlide],
    quality: Sequence[Float[np.ndarray, " n"]],
    seed: int,
) -> ConfidenceCalibration:
    """From scatter to the rank correlation that left-out spots reached, in one falling curve."""
    if prepared.blocks:
        known = left_out_quality([(slide.x, slide.pos) for slide in embedded], seed=seed)
    else:
        scatter = [support.scatter(slide.x) for slide in prepared.validation.slides]
        known = LeftOutOutput(np.concatenate(scatter), np.concatenate(quality))
    return ConfidenceCalibration.fit(known.scatter, known.quality)


def _report(
    recipe: Recipe, parts: Parts, prepared: Prepared, quality: Sequence[Float[np.ndarray, " n"]], work: Path
) -> dict[str, Any]:
    return {
        "slides": parts.names,
        "held_out": [slide.name for slide in prepared.validation.slides],
        "held_out_is_block": prepared.blocks,
        "held_out_joined": recipe.training.final_epochs > 0 or recipe.regressions is not None,
        "cells": 0 if parts.cells is None else len(parts.cells),
        "genes": len(prepared.encoder.genes),
        "held_out_quality": float(np.concatenate(quality).mean()),
        **_mean_energies(work, recipe.training.members),
        "rivals": rival_energies(prepared.train, prepared.validation, seed=recipe.training.seed),
    }


def _mean_energies(work: Path, members: int) -> dict[str, float]:
    energies = [kept_energies(work / f"member_{number}") for number in range(members)]
    return {name: float(np.mean([energy[name] for energy in energies])) for name in energies[0]}


__all__ = ["FittedGears", "Gears", "Reconstruction"]
