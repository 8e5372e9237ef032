"""What a fit has learned: reconstruct cells, save, load."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears import __version__
from pyg_gears.data.folder_lock import locked_folder
from pyg_gears.data.io.given import Given
from pyg_gears.devices import find_device, own_defaults
from pyg_gears.encoders import Encoder, SCAdapter, TrainingGenes, encoder_from_state
from pyg_gears.errors import InputError
from pyg_gears.layout import (
    ConfidenceCalibration,
    LayoutSettings,
    Regressions,
    TrainingSupport,
    layout_verdict,
    paired_layout,
    reconstruct_layout,
    weigh_by_agreement,
    with_unplaced,
)
from pyg_gears.model_trial import try_model
from pyg_gears.models import StructureModel
from pyg_gears.prepared_query import PreparedQuery, block_of_votes, prepare_query
from pyg_gears.ranks import join_ranks
from pyg_gears.reconstruction import Reconstruction
from pyg_gears.training.build_model import build_model
from pyg_gears.training.candidate_search import candidate_search
from pyg_gears.training.checkpoint import load_checkpoint, save_checkpoint
from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph
from pyg_gears.typing import FilePath


@dataclass(frozen=True, eq=False)
class FittedGears:
    """What a fit has learned; nothing in it changes.

    Attributes:
        recipe: The recipe of the fit.
        encoder: From expression to embedding.
        adapter: Matches shallow cells to the training spots; None for a fit without cells.
        candidates: How candidate graphs are built.
        members: The structure models, in eval mode.
        support: Embeddings and positions of the training spots, for the confidence.
        regressions: Layouts by simple regressions, which vote beside the members; None for a recipe without.
        calibration: From a cell's support to its confidence.
        held_out: Layouts of the held-out spots, by name of the slide, made before anything was fitted on these; their places are
            in the order of the slide's spots, without those that had no counts.
        training_genes: What the training spots hold of each gene, for cells that lack a few genes or have few counts; None for
            models saved before version 0.3.
        report: Slides, held-out slides, numbers of genes and cells, energies on validation, of the model and of the rivals.
    """

    recipe: Recipe
    encoder: Encoder
    adapter: SCAdapter | None
    candidates: CandidateGraph
    members: tuple[StructureModel, ...]
    support: TrainingSupport
    regressions: Regressions | None
    calibration: ConfidenceCalibration
    held_out: Mapping[str, Float[np.ndarray, "n 2"]]
    training_genes: TrainingGenes | None
    report: Mapping[str, Any]

    @property
    def seen(self) -> frozenset[str]:
        """Names of the slides that the encoder was fitted on; a block that stays held out lies on one of them."""
        all_seen = self.report["held_out_is_block"] or self.report.get("trained_on_all")
        return frozenset(self.report["slides"]) - frozenset(() if all_seen else self.report["held_out"])

    @property
    def trained(self) -> frozenset[str]:
        """Names of the slides that the models or the regressions were fitted on, to the end of the fit."""
        return frozenset(self.report["slides"]) if self.report.get("held_out_joined") else self.seen

    @property
    def validated(self) -> frozenset[str]:
        """Names of the whole slides that chose the epoch and were held out of everything else."""
        return frozenset(self.report["slides"]) - self.trained

    def reconstruct(
        self,
        cells: Given,
        *,
        settings: LayoutSettings | None = None,
        seed: int = 0,
        adapt: str = "auto",
        shard_dir: FilePath | None = None,
        progress: bool = True,
        device: str = "auto",
        paired: Given | None = None,
        max_memory: str | float | None = None,
    ) -> Reconstruction:
        """Lay out cells from their expression alone; coordinates that they may carry are not read.

        Cells without a count in the model's genes get no place and take no part in the layout of the others. Cells that lack
        less than a tenth of the model's genes are completed by the training spots' mean; their confidence is multiplied by the
        share of the training spots' variance that lies in the other genes, where the length of the features has not lowered it
        more. Both give a warning. (500 spots of hippocampus 4 without a random 9 % of 3000 genes: confidence 0.60 to 0.55, rank
        correlation with the true distances 0.70 to 0.70; without the 9 % that vary most: 0.32, and 0.63.) Cells with fewer counts
        than nearly all training spots have less confidence in proportion. Cells with less than half of the spots' counts are
        averaged with their neighbours in expression where that brings them nearer to the spots, see
        :func:`~pyg_gears.layout.embed_query`.

        Within the file, confidence is ordered by how far the regressions agree with the layout on each cell, see
        :func:`~pyg_gears.layout.weigh_by_agreement`.

        Args:
            cells: Cells with the model's genes: a path, an AnnData or a ``Slide``.
            settings: Settings of the layout; the defaults if omitted.
            seed: Same seed, same layout.
            adapt: "auto": cells that differ from the training spots by their depth alone are matched to these, by the adapter of
                a model that was fitted with cells or by a new one, see :func:`~pyg_gears.layout.adapt_query`; "none"; or
                "match": a new adapter in any case.
            shard_dir: Folder for finished patches, from which a killed run goes on.
            progress: Show a bar.
            device: Where the models run: "auto", "cpu" or "cuda".
            paired: Spots of the same piece of tissue whose counts are sums of these cells, with coordinates: the layout is
                corrected by them, see :func:`~pyg_gears.layout.paired_layout`. Confidence and verdict are those without.
            max_memory: The most that this process may hold, as in "8GB", by :func:`~pyg_gears.layout.layout_memory`: how many
                votes are worked on at a time follows from it. What it holds already counts, the memory of a GPU does not.

        Raises:
            InputError: when the cells lack a tenth of the model's genes, fewer than 3 have counts in them, all are alike,
                for another ``adapt``, a seed below 0, spots that cannot be paired, or a ``shard_dir`` in use,
                or a ``max_memory`` below what cannot be cut.
        """
        where = find_device(device)
        prepared = self.prepare(cells, settings=settings, seed=seed, adapt=adapt, paired=paired, max_memory=max_memory)
        return self.lay_out(prepared, shard_dir=shard_dir, progress=progress, device=where)

    def prepare(
        self,
        cells: Given,
        *,
        settings: LayoutSettings | None = None,
        seed: int = 0,
        adapt: str = "auto",
        paired: Given | None = None,
        max_memory: str | float | None = None,
    ) -> PreparedQuery:
        """The first step of :meth:`reconstruct`, after which the cells' counts are no longer needed.

        For many cells: drop what holds their counts before :meth:`lay_out`, which takes the most memory.

        Args:
            cells: As in :meth:`reconstruct`.
            settings: As in :meth:`reconstruct`.
            seed: As in :meth:`reconstruct`.
            adapt: As in :meth:`reconstruct`.
            paired: As in :meth:`reconstruct`.
            max_memory: As in :meth:`reconstruct`; without the counts, unless ``paired`` needs them.

        Raises:
            InputError: as :meth:`reconstruct`.
        """
        with own_defaults():
            return prepare_query(
                self, cells, settings=settings, seed=seed, adapt=adapt, paired=paired, max_memory=max_memory
            )

    def lay_out(
        self,
        prepared: PreparedQuery,
        *,
        shard_dir: FilePath | None = None,
        progress: bool = True,
        device: str | torch.device = "auto",
    ) -> Reconstruction:
        """The second step of :meth:`reconstruct`: from embedding to layout.

        Args:
            prepared: What :meth:`prepare` gave.
            shard_dir: As in :meth:`reconstruct`.
            progress: As in :meth:`reconstruct`.
            device: As in :meth:`reconstruct`.

        Raises:
            InputError: for a ``shard_dir`` in use, or if the counts are still held and ``max_memory`` leaves no room for them.
        """
        where, kept, gap = find_device(device), prepared.kept, prepared.gap
        first = join_ranks(cuda=where.type == "cuda").first
        with own_defaults(), nullcontext() if shard_dir is None or not first else locked_folder(shard_dir):
            layout = reconstruct_layout(
                self.members,
                prepared.x,
                candidates=self.candidates,
                settings=prepared.settings,
                seed=prepared.seed,
                shard_dir=shard_dir,
                progress=progress,
                device=where,
                regressions=prepared.regressions,
                own=prepared.own,
                block=block_of_votes(self, prepared.max_memory, len(kept), prepared.settings),
                confidence=1.0 if gap.near else float(prepared.confidence.mean()),
            )
            placed = layout if prepared.paired is None else paired_layout(layout, *prepared.paired, seed=prepared.seed)
        confidence = np.zeros(len(kept))
        confidence[kept] = weigh_by_agreement(prepared.confidence, layout.pos, prepared.regressions)
        verdict = layout_verdict(
            float(confidence[kept].mean()),
            cells=int(kept.sum()),
            far=gap.far,
            depth=prepared.depth,
            signal=prepared.signal,
            held_out=self.report.get("held_out_quality"),
            slides=len(self.report["slides"]),
        )
        placed = with_unplaced(placed, kept)
        return Reconstruction(placed.pos, confidence, placed, gap, prepared.adapted, verdict)

    def describe(self, found: Reconstruction, seed: int) -> dict[str, Any]:
        """The origin of a layout, for its file: recipe, versions, residuals, the model's validation."""
        return {
            "recipe": self.recipe.as_dict(),
            "versions": {name: version(name) for name in ("torch", "torch-geometric", "anndata")}
            | {"pyg-gears": __version__},
            "residuals": found.layout.report,
            "gap": found.gap._asdict(),
            "adapted": found.adapted,
            "verdict": found.verdict._asdict(),
            "model": dict(self.report),
            "seed": seed,
        }

    def save(self, folder: FilePath) -> None:
        """Write the model into a folder (``model.pt``, ``recipe.yaml``)."""
        content = {
            "recipe": self.recipe.as_dict(),
            "encoder": dict(self.encoder.state()),
            "adapter": None if self.adapter is None else dict(self.adapter.state_dict()),
            "projection": self.candidates.projection,
            "members": [dict(member.state_dict()) for member in self.members],
            "support": self.support.state_dict(),
            "regressions": None if self.regressions is None else self.regressions.state_dict(),
            "calibration": self.calibration.state_dict(),
            "held_out": {name: torch.from_numpy(pos) for name, pos in self.held_out.items()},
            "training_genes": None if self.training_genes is None else self.training_genes._asdict(),
            "report": dict(self.report),
        }
        save_checkpoint(Path(folder).expanduser(), content)

    @classmethod
    def load(cls, folder: FilePath) -> FittedGears:
        """Read a model that :meth:`save` wrote; nothing in the file is executed.

        Raises:
            InputError: when there is no readable model.
        """
        content = load_checkpoint(Path(folder).expanduser())
        try:
            with own_defaults():
                return cls._from_content(content)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"expected a model of pyg-gears {content.get('version')} in {folder}, found parts that do not fit "
                f"({type(error).__name__}: {reason}); read it with the version that wrote it, or fit it again."
            ) from error

    @classmethod
    def _from_content(cls, content: Mapping[str, Any]) -> FittedGears:
        """The model, tried on a few cells: nothing that a file says is taken on trust."""
        recipe = Recipe.read(content["recipe"])
        encoder = encoder_from_state(content["encoder"])
        members = []
        for state in content["members"]:
            member = build_model(recipe, encoder.out_channels, seed=0)
            member.load_state_dict(state)
            members.append(member.eval())
        fitted = cls(
            recipe=recipe,
            encoder=encoder,
            adapter=None if content["adapter"] is None else SCAdapter.from_state_dict(content["adapter"]),
            candidates=candidate_search(recipe, content["projection"]),
            members=tuple(members),
            support=TrainingSupport.from_state_dict(content["support"]),
            regressions=content["regressions"] and Regressions.from_state_dict(content["regressions"]),
            calibration=ConfidenceCalibration.from_state_dict(content["calibration"]),
            held_out={name: pos.numpy() for name, pos in content["held_out"].items()},
            training_genes=TrainingGenes.from_state(content["training_genes"]),
            report=content["report"],
        )
        try_model(fitted)
        return fitted
