"""The whole method in four calls: fit on slides, reconstruct cells, save, load."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import EmbeddedSlide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.data.gene_overlap import FEW_SHARED
from pyg_gears.data.io.given import Given, given_cells, given_slides
from pyg_gears.data.leftovers import remove_parts
from pyg_gears.data.same_spots import same_spots
from pyg_gears.devices import find_device, own_defaults
from pyg_gears.encoders import Encoder, SCAdapter, TrainingGenes
from pyg_gears.errors import expect
from pyg_gears.fitted_gears import FittedGears
from pyg_gears.held_out_fit import HeldOutFit, fit_held_out, fit_regressions
from pyg_gears.layout import TrainingSupport
from pyg_gears.models import StructureModel
from pyg_gears.ranks import by_first, join_ranks
from pyg_gears.reconstruction import Reconstruction
from pyg_gears.seeds import child_seed
from pyg_gears.training.all_slides import AllSlides, as_held_out, prepare_all_slides
from pyg_gears.training.build_model import build_model
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.dealt_minisets import check_devices
from pyg_gears.training.encoder_training import check_embedding
from pyg_gears.training.final_training import train_on_all
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.parts import Parts, choose_parts
from pyg_gears.training.preparation import Prepared, check_slides, held_out_name, prepare_parts
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.rival_energies import rival_energies
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
        """Learn from slides, in two rounds: with spots held out, which calibrates confidence, and then on all slides.

        The encoder and the models of the second round are kept; without one (``training.final_epochs=0``), those of the first.
        Spots and cells without a count in the genes that the model reads are left out, with a warning. Processes of one launcher
        (torchrun, srun) fit one model together, if each makes this call; see ``training.devices`` and docs/cluster.md.

        Args:
            slides: Slides with positions, each a path, an AnnData or a ``Slide``: a list (a file is named by its stem, or as
                docs/files.md says where several share it, an AnnData "slide_0", "slide_1", ... by its place), or a dict of them
                by name.
            cells: Cells without positions, likewise; their expression joins the encoder's fit, and an adapter is fitted that
                brings them to the training spots (``embedding.adapter``). Of more than 20,000, as many are drawn by the seed.
            validate: Name of the slide that is held out in the first round, for early stopping and confidence; by default the
                last of three or more slides, and with fewer a spatial block of each.
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
        recipe, anew = self.recipe, self.recipe.training.final_epochs > 0

        def prepare_alone() -> tuple[Prepared, AllSlides]:
            claim_folder(work, key, ours=("encoder", "minisets", "member_*", "all_slides"))
            prepared = prepare_parts(recipe, parts, work, progress=progress, device=device)
            if not anew:
                return prepared, as_held_out(parts, prepared)
            return prepared, prepare_all_slides(
                recipe, parts, work / "all_slides", steps=prepared.encoder_steps, progress=progress, device=device
            )

        prepared, final = by_first(prepare_alone)
        support = _support(final.seen, final.features)
        adapter = None
        if parts.cells is not None and recipe.embedding.adapter is not None:
            # Before the models: cells that no adapter can be fitted to are refused without a training.
            adapter = by_first(lambda: _adapter(recipe, parts, final.encoder, support))
        trial = fit_held_out(
            recipe,
            parts,
            prepared,
            _support(prepared.train.slides, prepared.features),
            work,
            progress=progress,
            device=device,
        )
        members = self._train_on_all(final, work / "all_slides", progress, device) if anew else trial.members

        def assemble() -> FittedGears:
            fitted_on = parts.slides if anew else [part.spots for part in parts.train]
            return FittedGears(
                recipe=recipe,
                encoder=final.encoder,
                adapter=adapter,
                candidates=final.candidates,
                members=members,
                support=support,
                regressions=fit_regressions(recipe, parts.slides, final.embedded),
                calibration=trial.calibration,
                held_out=trial.layouts,
                training_genes=TrainingGenes.of(fitted_on, recipe.embedding.normalization),
                report=_report(recipe, parts, prepared, trial),
            )

        return by_first(assemble)

    def _train_on_all(
        self, final: AllSlides, folder: Path, progress: bool, device: torch.device
    ) -> tuple[StructureModel, ...]:
        recipe, seed = self.recipe, self.recipe.training.seed
        minisets = by_first(
            lambda: recipe_minisets(
                final.embedded,
                recipe,
                final.candidates,
                seed=child_seed(seed, "final minisets"),
                views=recipe.views,
                cache=folder / "minisets",
            )
        )
        return tuple(
            train_on_all(
                recipe,
                minisets,
                seed=child_seed(seed, "member", number),
                folder=folder / f"member_{number}",
                projection=final.candidates.projection,
                progress=progress,
                device=device,
            )
            for number in range(recipe.training.members)
        )


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


def _support(slides: Sequence[EmbeddedSlide], features: Float[Tensor, "m f"]) -> TrainingSupport:
    return TrainingSupport.build([(slide.x, slide.pos) for slide in slides], features)


def _adapter(recipe: Recipe, parts: Parts, encoder: Encoder, support: TrainingSupport) -> SCAdapter:
    chosen = recipe.embedding.adapter
    assert parts.cells is not None
    assert chosen is not None
    return SCAdapter.fit(
        encoder.encode(parts.cells),
        torch.cat(support.x),
        weights=chosen.weights,
        steps=chosen.steps,
        lr=chosen.lr,
        seed=child_seed(recipe.training.seed, "adapter"),
    )


def _advise(parts: Parts) -> None:
    """Say at once what would be learned from a refusal of the cells after the training, or never."""
    for one, other in combinations(parts.slides, 2):
        if same_spots(one, other):
            warnings.warn(
                f"{one.name} and {other.name} hold the same spots, so what is held out may be trained on, and confidence comes "
                "out too high; leave one of them out.",
                stacklevel=3,
            )
    if parts.cells is None and (len(parts.names) == 1 or len(parts.genes) < FEW_SHARED):
        source = f"of {parts.names[0]} alone" if len(parts.names) == 1 else f"of {len(parts.names)} slides"
        warnings.warn(
            f"fitted without cells, on the {len(parts.genes)} genes {source}: cells that lack a tenth of these can't be laid "
            "out; if you have the cells, name them now (pyg-gears fit ... --cells CELLS).",
            stacklevel=3,
        )


def _report(recipe: Recipe, parts: Parts, prepared: Prepared, trial: HeldOutFit) -> dict[str, Any]:
    return {
        "slides": parts.names,
        "held_out": [slide.name for slide in prepared.validation.slides],
        "held_out_is_block": prepared.blocks,
        "held_out_joined": recipe.training.final_epochs > 0 or recipe.regressions is not None,
        "trained_on_all": recipe.training.final_epochs > 0,
        "cells": 0 if parts.cells is None else len(parts.cells),
        "genes": len(prepared.encoder.genes),
        "held_out_quality": trial.quality,
        **trial.energies,
        "rivals": rival_energies(prepared.train, prepared.validation, seed=recipe.training.seed),
    }


__all__ = ["FittedGears", "Gears", "Reconstruction"]
