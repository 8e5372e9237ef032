"""Fit the published encoder: choose the domains, train the network, keep the state that the recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from pyg_gears.data import Slide
from pyg_gears.encoders import LogGenes, NormalizedNetwork, PublishedEncoder
from pyg_gears.errors import expect
from pyg_gears.seeds import torch_stream
from pyg_gears.training.encoder_run import run_encoder
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding
from pyg_gears.training.published_encoder_module import PublishedEncoderModule


def check_domains_of(recipe: PublishedEmbedding, names: Sequence[str], *, cells: bool) -> None:
    """Check, before any work, that there are domains to mix and patients to compare.

    Args:
        recipe: The embedding.
        names: Names of the training slides.
        cells: Whether there are cells.

    Raises:
        InputError: for one slide without cells, or patients that do not name every training slide or are all the same.
    """
    expect(
        cells or len(names) > 1,
        f"expected cells or two training slides for embedding.kind=published, found {len(names)} slide alone; pass cells or "
        "more slides, or choose another kind.",
    )
    if recipe.patients is None:
        return
    missing = [name for name in names if name not in recipe.patients.of]
    expect(
        not missing,
        f"expected embedding.patients.of to name the patient of every training slide, found none of {', '.join(missing)}; add "
        "them, for example --set embedding.patients.of.SLIDE=PATIENT.",
    )
    patients = {recipe.patients.of[name] for name in names}
    expect(
        len(patients) > 1,
        f"expected training slides of two or more patients in embedding.patients.of, found {len(patients)}; leave the section "
        "out.",
    )


def fit_published_encoder(
    recipe: PublishedEmbedding,
    slides: Sequence[Slide],
    cells: Slide | None,
    *,
    seed: int,
    folder: Path | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> PublishedEncoder:
    """Train on expression and domain alone.

    Args:
        recipe: The recipe.
        slides: Training slides on the encoder's genes; their positions are not read.
        cells: The other domain; without cells every slide is a domain.
        seed: Seed of everything.
        folder: Where checkpoints go; a finished or broken-off run there is taken up.
        progress: Show progress.
        device: Where the network is trained.

    Returns:
        The encoder.

    Raises:
        InputError: see :func:`check_domains_of`.
    """
    names = [slide.name for slide in slides]
    check_domains_of(recipe, names, cells=cells is not None)
    front = LogGenes(slides[0].genes, recipe.normalization)
    features = [front.encode(slide) for slide in slides]
    domains = [[x] for x in features] if cells is None else [features, [front.encode(cells)]]
    patient = None
    if recipe.patients is not None:
        order = sorted({recipe.patients.of[name] for name in names})
        patient = [order.index(recipe.patients.of[name]) for name in names]
    network = NormalizedNetwork(
        features[0].size(1),
        recipe.out_channels,
        recipe.hidden,
        dropout=recipe.layer_dropout,
        generator=torch_stream(seed, "encoder weights"),
    )
    module = PublishedEncoderModule(network, recipe, domains, patient, seed=seed)
    run_encoder(
        module, recipe, seed, domains, patient, folder=folder, steps=recipe.steps, progress=progress, device=device
    )
    # Without a best, every state that was looked at had collapsed: the last is as good as any.
    if module.best is not None:
        network.load_state_dict(module.best[1])
    return PublishedEncoder(front, network)
