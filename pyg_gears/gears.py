"""The whole method in four calls: fit on slides, reconstruct cells, save, load."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from pyg_gears.data import Slide, cells_from_anndata, shared_genes, slide_from_anndata
from pyg_gears.data.cell_differences import check_cells_differ
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.data.leftovers import remove_parts
from pyg_gears.devices import find_device
from pyg_gears.encoders import SCAdapter
from pyg_gears.fitted_gears import FittedGears, Reconstruction
from pyg_gears.layout import ConfidenceCalibration, TrainingSupport, reconstruct_layout, row_spearman
from pyg_gears.models import StructureModel
from pyg_gears.seeds import child_seed
from pyg_gears.training.build_model import build_model
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.encoder_training import check_embedding
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared, check_slides, held_out_name, prepare
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_training import train_structure
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData


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
        self.recipe = recipe or Recipe.preset("standard")

    def fit(
        self,
        slides: Sequence[Slide | AnnData],
        cells: Slide | AnnData | None = None,
        *,
        validate: str | None = None,
        work_dir: FilePath | None = None,
        progress: bool = True,
        device: str = "auto",
    ) -> FittedGears:
        """Learn from slides.

        Args:
            slides: Slides with positions; an AnnData is named "slide_0", "slide_1", ... by its place.
            cells: Cells without positions; their expression joins the encoder's fit, and an adapter is fitted that brings
                them to the training spots (``embedding.adapter``).
            validate: Name of the slide held out for early stopping and confidence; by default the last of three or more
                slides, and with fewer a spatial block of each.
            work_dir: Folder of checkpoints and cached minisets, from which a killed fit goes on; a temporary one if omitted.
            progress: Show progress bars.
            device: Where networks are trained: "auto", "cpu" or "cuda". The fitted model is on the CPU.

        Returns:
            The fitted model.

        Raises:
            InputError: for slides that cannot be used together, cells that are all alike, a model that the recipe's choices
                cannot make, or a ``work_dir`` of another run, or one that another run is using.
        """
        named = [s if isinstance(s, Slide) else slide_from_anndata(s, f"slide_{i}") for i, s in enumerate(slides)]
        query = cells if cells is None or isinstance(cells, Slide) else cells_from_anndata(cells, "cells")
        where = find_device(device)
        build_model(self.recipe, 8, seed=0)  # refuses, before any work, fields that cannot be combined
        check_slides(named, query, validate)
        if query is not None:
            check_cells_differ(query.subset_genes(shared_genes([*named, query])))
        training = len(named) - (held_out_name(named, validate) is not None)
        check_embedding(self.recipe.embedding, training, cells=query is not None)
        if work_dir is None:
            with tempfile.TemporaryDirectory() as folder:
                return self._fit(named, query, validate, Path(folder), progress, where)
        with locked_folder(work_dir):
            remove_parts(Path(work_dir))
            return self._fit(named, query, validate, Path(work_dir), progress, where)

    def _fit(
        self,
        slides: list[Slide],
        cells: Slide | None,
        validate: str | None,
        work: Path,
        progress: bool,
        device: torch.device,
    ) -> FittedGears:
        recipe, seed = self.recipe, self.recipe.training.seed
        claim_folder(work, fingerprint(recipe, slides, cells, validate), ours=("encoder", "minisets", "member_*"))
        prepared = prepare(recipe, slides, cells, validate, work, progress=progress, device=device)
        members = tuple(
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
        spots = [(slide.x, slide.pos) for slide in prepared.train.slides]
        support = TrainingSupport.build(spots, prepared.features)
        adapter = None
        if cells is not None and recipe.embedding.adapter is not None:
            chosen = recipe.embedding.adapter
            adapter = SCAdapter.fit(
                prepared.encoder.encode(cells),
                torch.cat(support.x),
                weights=chosen.weights,
                steps=chosen.steps,
                lr=chosen.lr,
                seed=child_seed(seed, "adapter"),
            )
        return FittedGears(
            recipe=recipe,
            encoder=prepared.encoder,
            adapter=adapter,
            candidates=prepared.candidates,
            members=members,
            support=support,
            calibration=_calibrate(prepared, members, support, device),
            report={
                "slides": [slide.name for slide in slides],
                "held_out": [slide.name for slide in prepared.validation.slides],
                "held_out_is_block": prepared.blocks,
                "cells": 0 if cells is None else len(cells),
                "genes": len(prepared.encoder.genes),
                **_mean_energies(prepared, members, recipe.training.node_budget, device),
            },
        )


def _calibrate(
    prepared: Prepared, members: Sequence[StructureModel], support: TrainingSupport, device: torch.device
) -> ConfidenceCalibration:
    """From scatter to the rank correlation that held-out spots reached, in one falling curve."""
    scatter, quality = [], []
    for slide in prepared.validation.slides:
        layout = reconstruct_layout(members, slide.x, candidates=prepared.candidates, progress=False, device=device)
        scatter.append(support.scatter(slide.x))
        quality.append(row_spearman(layout.pos, slide.pos.numpy()))
    return ConfidenceCalibration.fit(np.concatenate(scatter), np.concatenate(quality))


def _mean_energies(
    prepared: Prepared, members: Sequence[StructureModel], node_budget: int, device: torch.device
) -> dict[str, float]:
    energies = [mean_energies(member, prepared.validation, node_budget, device=device) for member in members]
    return {name: float(np.mean([energy[name] for energy in energies])) for name in energies[0]}


__all__ = ["FittedGears", "Gears", "Reconstruction"]
