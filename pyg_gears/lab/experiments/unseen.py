"""Slides that no part of a fold has seen: embedded once a fold, laid out by every trained model."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pyg_gears.data import EmbeddedSlide, Slide
from pyg_gears.encoders import readable_cells
from pyg_gears.errors import argument, expect
from pyg_gears.lab.experiments.trained_run import MINISETS, TrainedRun
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.layout import LayoutSettings, reconstruct_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.seeds import child_seed
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared

METRICS = ("spearman", "trust_20", "recall_15")


def check_unseen(unseen: Sequence[Slide], names: Sequence[str]) -> None:
    """Check that slides can serve as unseen ones, before any work.

    Raises:
        InputError: for a slide without positions, or whose name is that of another.
    """
    seen = list(names)
    for slide in unseen:
        expect(
            slide.pos is not None,
            f"expected positions in the unseen slide {slide.name}, found none; its layout is compared with them.",
        )
        expect(
            slide.name not in seen,
            f"expected unseen slides with names of their own, found {slide.name} twice; leave it out of "
            f"{argument('unseen')} or name it NAME=path.",
        )
        seen.append(slide.name)


def embed_unseen(prepared: Prepared, unseen: Sequence[Slide]) -> tuple[EmbeddedSlide, ...]:
    """Slides in the embedding of a fold, spots without a count in its genes left out.

    Raises:
        InputError: when a slide lacks a gene of the fold.
    """
    found = []
    for slide in unseen:
        query, kept, _ = readable_cells(slide, prepared.encoder.genes, None)
        assert slide.pos is not None
        found.append(EmbeddedSlide(slide.name, prepared.encoder.encode(query), torch.tensor(slide.pos[kept])))
    return tuple(found)


def unseen(run: TrainedRun) -> dict[str, float]:
    """The structure model alone on slides that took no part in anything, the choice of the epoch included.

    No regression votes and no near neighbours are refined: both would hide what the model itself knows.

    Returns:
        ``h_gate`` and ``t_edge`` over 50 minisets of each slide, drawn as those that validate, and ``spearman``, ``trust_20`` and
        ``recall_15`` of the whole slide: means over the slides, and each slide's as "spearman, NAME".

    Raises:
        NotMeasurable: when the experiment was given no such slide.
    """
    if not run.unseen:
        raise NotMeasurable("expected slides that are kept back, found none; name them with --unseen.")
    recipe, candidates = run.recipe, run.prepared.candidates
    settings = LayoutSettings(refinement_rounds=0)
    found: dict[str, dict[str, float]] = {}
    for slide in run.unseen:
        seed = child_seed(recipe.training.seed, "validation", 0)
        minisets = recipe_minisets([slide], recipe, candidates, seed=seed, count=MINISETS)
        layout = reconstruct_layout(
            run.model, slide.x, candidates=candidates, settings=settings, seed=run.seed, progress=False
        )
        quality = evaluate_layout(layout.pos, slide.pos.numpy())
        found[slide.name] = {
            **mean_energies(run.model, minisets, recipe.training.node_budget),
            **{name: quality[name] for name in METRICS},
        }
    names = next(iter(found.values()))
    means = {name: sum(one[name] for one in found.values()) / len(found) for name in names}
    return means | {f"{name}, {slide}": value for slide, one in found.items() for name, value in one.items()}
