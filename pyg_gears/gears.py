"""Gears: fit on slides, reconstruct cells, save, load. The whole method in four calls."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears import __version__
from pyg_gears.data import EmbeddedSlide, MinisetDataset, Slide, cells_from_anndata, slide_from_anndata
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.encoders import DomainGap, Encoder, SCAdapter, domain_gap, embed_slide, encoder_from_state
from pyg_gears.errors import expect
from pyg_gears.layout import (
    ConfidenceCalibration,
    LayoutOutput,
    LayoutSettings,
    TrainingSupport,
    adapt_query,
    reconstruct_layout,
    row_spearman,
)
from pyg_gears.models import StructureModel
from pyg_gears.training.checkpoint import claim_folder, load_checkpoint, save_checkpoint
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared, candidate_search, prepare
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_training import build_model, train_structure
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Reconstruction:
    """A layout with its confidence.

    Attributes:
        pos: Coordinates in the gauge (centred, RMS radius 1, longest axis first), shape (n, 2).
        confidence: Per cell in [0, 1]: the rank correlation that its distances are expected to have with the true ones.
        layout: The layout with sparse distances and residuals.
        gap: How far the cells lie from the training spots in the embedding, before any adapter.
        adapted: Whether the cells went through an adapter.
    """

    pos: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]
    layout: LayoutOutput
    gap: DomainGap
    adapted: bool


class Gears:
    """The model of a tissue: how expression relates to geometry, learned from a few slides.

    Args:
        recipe: Every choice of the training; ``Recipe.preset("standard")`` if omitted.

    >>> from pyg_gears import Gears, Recipe
    >>> Gears(Recipe.preset("quick")).recipe.embedding.transform
    'log1p'
    """

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe.preset("standard")
        self.encoder: Encoder | None = None
        self.adapter: SCAdapter | None = None
        self.candidates: CandidateGraph | None = None
        self.members: list[StructureModel] = []
        self.support: TrainingSupport | None = None
        self.calibration = ConfidenceCalibration()
        self.report: dict[str, Any] = {}

    def fit(
        self,
        slides: Sequence[Slide | AnnData],
        cells: Slide | AnnData | None = None,
        *,
        validate: str | None = None,
        work_dir: FilePath | None = None,
        progress: bool = True,
    ) -> Gears:
        """Learn from slides.

        Args:
            slides: Slides with positions; an AnnData is named "slide_0", "slide_1", ... by its place.
            cells: Cells without positions; their expression joins the encoder's fit, and an adapter is fitted that brings
                them to the training spots (``embedding.adapter``).
            validate: Name of the slide held out for early stopping and confidence; by default the last of three or more
                slides, and with fewer a spatial block of each.
            work_dir: Folder of checkpoints and cached minisets, from which a killed fit goes on; a temporary one if omitted.
            progress: Show progress bars.

        Returns:
            Itself, fitted.

        Raises:
            InputError: for slides that cannot be used together, a model that the recipe's choices cannot make, or a
                ``work_dir`` of another run.
        """
        named = [s if isinstance(s, Slide) else slide_from_anndata(s, f"slide_{i}") for i, s in enumerate(slides)]
        query = cells if cells is None or isinstance(cells, Slide) else cells_from_anndata(cells, "cells")
        if work_dir is None:
            with tempfile.TemporaryDirectory() as folder:
                return self._fit(named, query, validate, Path(folder), progress)
        return self._fit(named, query, validate, Path(work_dir), progress)

    def reconstruct(
        self,
        cells: Slide | AnnData,
        *,
        settings: LayoutSettings | None = None,
        seed: int = 0,
        adapt: str = "auto",
        shard_dir: FilePath | None = None,
        progress: bool = True,
        device: str = "cpu",
    ) -> Reconstruction:
        """Lay out cells from their expression alone; coordinates that they may carry are not looked at.

        Args:
            cells: Cells with the model's genes.
            settings: Settings of the layout; the defaults if omitted. The candidate graph always follows the recipe.
            seed: Same seed, same layout.
            adapt: "auto": the adapter of a model that was fitted with cells, when these lie far from the training spots;
                "none"; or "match": an adapter fitted to these cells now. Far cells without one give a warning.
            shard_dir: Folder for finished patches, from which a killed run goes on.
            progress: Show a bar.
            device: Where the models run.

        Raises:
            InputError: when the model is not fitted, the cells lack genes of the model, or for another ``adapt``.
        """
        expect(self.encoder is not None, "expected a fitted model, found none; call fit or Gears.load first.")
        assert self.encoder is not None
        assert self.support is not None
        query = cells if isinstance(cells, Slide) else cells_from_anndata(cells, "cells")
        raw, features = embed_slide(self.encoder, query)
        gap = domain_gap(features, self.support.features, seed=seed)
        spots = torch.cat(self.support.x)
        x, adapted = adapt_query(raw, spots, gap, self.adapter, adapt=adapt, seed=seed)
        assert self.candidates is not None
        layout = reconstruct_layout(
            self.members,
            x,
            candidates=self.candidates,
            settings=settings,
            seed=seed,
            device=device,
            shard_dir=shard_dir,
            progress=progress,
        )
        confidence = self.calibration.predict(self.support.scatter(x)) * self.support.signal(features)
        return Reconstruction(layout.pos, confidence, layout, gap, adapted)

    def describe(self, found: Reconstruction, seed: int) -> dict[str, Any]:
        """What a layout file tells about its making: recipe, versions, residuals, the model's validation."""
        versions = {name: version(name) for name in ("torch", "torch-geometric", "anndata")} | {
            "pyg-gears": __version__
        }
        return {
            "recipe": self.recipe.as_dict(),
            "versions": versions,
            "residuals": found.layout.report,
            "gap": found.gap._asdict(),
            "adapted": found.adapted,
            "model": self.report,
            "seed": seed,
        }

    def save(self, folder: FilePath) -> None:
        """Write the model into a folder (``model.pt``, ``recipe.yaml``).

        Raises:
            InputError: when the model is not fitted.
        """
        expect(self.encoder is not None, "expected a fitted model, found none; call fit before save.")
        assert self.encoder is not None
        assert self.candidates is not None
        assert self.support is not None
        content = {
            "recipe": self.recipe.as_dict(),
            "encoder": dict(self.encoder.state()),
            "adapter": None if self.adapter is None else dict(self.adapter.state_dict()),
            "projection": self.candidates.projection,
            "members": [dict(member.state_dict()) for member in self.members],
            "support": self.support.state_dict(),
            "calibration": self.calibration.state_dict(),
            "report": self.report,
        }
        save_checkpoint(Path(folder), content)

    @classmethod
    def load(cls, folder: FilePath) -> Gears:
        """Read a model that :meth:`save` wrote; nothing in the file is executed.

        Raises:
            InputError: when there is no readable model.
        """
        content = load_checkpoint(Path(folder))
        gears = cls(Recipe().change(content["recipe"]))
        gears.encoder = encoder_from_state(content["encoder"])
        if content["adapter"] is not None:
            gears.adapter = SCAdapter.from_state_dict(content["adapter"])
        gears.candidates = candidate_search(gears.recipe.graph, content["projection"])
        for state in content["members"]:
            member = build_model(gears.recipe, gears.encoder.out_channels, seed=0)
            member.load_state_dict(state)
            gears.members.append(member.eval())
        gears.support = TrainingSupport.from_state_dict(content["support"])
        gears.calibration = ConfidenceCalibration.from_state_dict(content["calibration"])
        gears.report = content["report"]
        return gears

    def _fit(self, slides: list[Slide], cells: Slide | None, validate: str | None, work: Path, progress: bool) -> Gears:
        build_model(self.recipe, 8, seed=0)  # refuses, before any work, what single fields do not tell
        prepared = prepare(self.recipe, slides, cells, validate, work, progress=progress)
        claim_folder(work, fingerprint(self.recipe, prepared.train.slides, prepared.validation.slides))
        self.encoder, self.candidates, self.members = prepared.encoder, prepared.candidates, []
        for number in range(self.recipe.model.members):
            folder = work / f"member_{number}"
            seed = self.recipe.training.seed + 1_000 * number
            train, validation = prepared.train, prepared.validation
            self.members.append(
                train_structure(self.recipe, train, validation, seed=seed, folder=folder, progress=progress)
            )
        self.support = TrainingSupport.build([_drawn(slide) for slide in prepared.train.slides], prepared.features)
        self.calibration = self._calibrate(prepared, self.support)
        self.adapter = None
        if cells is not None and self.recipe.embedding.adapter:
            x = self.encoder.encode(cells)
            self.adapter = SCAdapter.fit(x, torch.cat(self.support.x), seed=self.recipe.training.seed)
        self.report = {
            "slides": [slide.name for slide in slides],
            "held_out": [slide.name for slide in prepared.held_out],
            "held_out_is_block": prepared.held_out[0].allowed is not None,
            "cells": 0 if cells is None else len(cells),
            "genes": len(prepared.encoder.genes),
            **self._energies(prepared.validation),
        }
        return self

    def _calibrate(self, prepared: Prepared, support: TrainingSupport) -> ConfidenceCalibration:
        """From scatter to the rank correlation that held-out spots reached, in one falling curve."""
        scatter, quality = [], []
        for slide in prepared.held_out:
            x, truth = _drawn(slide)
            layout = reconstruct_layout(self.members, x, candidates=prepared.candidates, progress=False)
            scatter.append(support.scatter(x))
            quality.append(row_spearman(layout.pos, truth.numpy()))
        return ConfidenceCalibration.fit(np.concatenate(scatter), np.concatenate(quality))

    def _energies(self, validation: MinisetDataset) -> dict[str, float]:
        energies = [mean_energies(member, validation, self.recipe.training.node_budget) for member in self.members]
        return {name: float(np.mean([energy[name] for energy in energies])) for name in energies[0]}


def _drawn(slide: EmbeddedSlide) -> tuple[Tensor, Tensor]:
    """Embedding and positions of the spots that minisets may draw."""
    inside = slice(None) if slide.allowed is None else slide.allowed
    return slide.x[inside], slide.pos[inside]
