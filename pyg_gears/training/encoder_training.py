"""Fit the embedding that a recipe names, on training spots only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from pyg_gears.data import Slide
from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.encoders import (
    CenteredGenes,
    Encoder,
    ExpressionEncoder,
    ExpressionNetwork,
    Normalization,
    PCAEncoder,
)
from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide
from pyg_gears.training.encoder_recipe import EncoderRecipe
from pyg_gears.training.epoch_log import EpochLog
from pyg_gears.training.lightning_run import run
from pyg_gears.training.recipe import Recipe
from pyg_gears.typing import IntArray


class EncoderFit(NamedTuple):
    """A fitted encoder, and the training slides as it would see them had it not seen them.

    Attributes:
        encoder: The encoder.
        embeddings: Cross-fitted embeddings of the training slides, shape (n, c) each.
        features: What its networks read of them, cross-fitted (the embeddings where there are none), shape (n, f) each.
    """

    encoder: Encoder
    embeddings: list[Float[Tensor, "n c"]]
    features: list[Float[Tensor, "n f"]]


def fit_encoder(
    recipe: Recipe,
    slides: Sequence[Slide],
    cells: Slide | None,
    held_out: Sequence[tuple[Slide, Bool[Tensor, " n"] | None]],
    *,
    folder: Path | None = None,
    progress: bool = False,
) -> EncoderFit:
    """The encoder of a recipe, and the training slides as it would embed them had it not seen them.

    A folder that holds a checkpoint of the same run is resumed. Without a folder nothing is written.

    Args:
        recipe: The recipe; ``embedding.kind`` names the encoder.
        slides: Training slides on the encoder's genes.
        cells: Cells without positions whose expression joins the fit of the components.
        held_out: Slides on which training stops, with the spots that are held out (all if None).
        folder: Where checkpoints go.
        progress: Show progress bars.

    Returns:
        The encoder, the cross-fitted embeddings of the training slides (in-sample ones for a network on all spots,
        ``encoder.folds=1``), and their features.
    """
    chosen, seed = recipe.embedding, recipe.training.seed
    normalization = Normalization(chosen.target_sum, chosen.transform, chosen.zscore)
    if chosen.kind != "learned":
        encoder, crossed = PCAEncoder.fit_transform(
            slides, cells, n_components=chosen.components, kind=chosen.kind, normalization=normalization, seed=seed
        )
        return EncoderFit(encoder, crossed, crossed)
    learned = recipe.encoder
    front: Encoder
    if learned.front == "genes":
        front, features = CenteredGenes.fit_transform(slides, normalization=normalization)
    else:
        front, features = PCAEncoder.fit_transform(
            slides,
            cells,
            n_components=learned.front_components,
            kind=learned.front,
            normalization=normalization,
            seed=seed,
        )
    seen = [EncoderSlide(x, _positions(slide)) for x, slide in zip(features, slides, strict=True)]
    validation = []
    for slide, part in held_out:
        kept = slice(None) if part is None else part
        validation.append(EncoderSlide(front.encode(slide)[kept], _positions(slide)[kept]))
    unseen = divide(seen, learned, seed)
    members = train_networks(learned, seen, unseen, validation, seed=seed, folder=folder, progress=progress)
    graphs = [neighbor_graph(slide.pos.numpy()) for slide in seen]
    found = ExpressionEncoder.assemble(
        front, members, features, unseen, graphs, min_autocorrelation=learned.min_autocorrelation
    )
    return EncoderFit(*found, features)


def train_networks(
    recipe: EncoderRecipe,
    slides: Sequence[EncoderSlide],
    unseen: Sequence[Sequence[Bool[Tensor, " n"]]],
    held_out: Sequence[EncoderSlide],
    *,
    seed: int,
    folder: Path | None = None,
    progress: bool = False,
) -> list[ExpressionNetwork]:
    """Train one network per entry of ``unseen`` and return them in their best state on the held-out slides.

    Args:
        recipe: The recipe.
        slides: Training slides.
        unseen: Per network and slide the spots it is not trained on.
        held_out: Slides whose overlap@20 chooses the state.
        seed: Seed of first weights, batches and views.
        folder: Where checkpoints go; a finished or broken-off run there is taken up.
        progress: Show a progress bar.
    """
    in_channels = slides[0].features.size(1)
    width = min(recipe.out_channels, in_channels) if recipe.front != "genes" else recipe.out_channels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        members = [
            ExpressionNetwork(in_channels, width, recipe.hidden, residual=recipe.front != "genes") for _ in unseen
        ]
        module = EncoderModule(members, recipe, slides, unseen, held_out, seed=seed)
    callbacks, last = [], None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        claim_folder(folder, fingerprint(recipe, seed, [tuple(slide) for slide in (*slides, *held_out)]))
        last = folder / "last.ckpt"
        callbacks = [
            EpochLog(folder / "log.csv"),
            # Not save_last: without a best of its own it would write at the end only.
            ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False),
        ]
    run(
        module,
        callbacks,
        progress=progress,
        resume=last,
        max_epochs=-(-recipe.steps // recipe.evaluate_every),
        reload_dataloaders_every_n_epochs=1,
        accelerator="auto",
    )
    assert module.best is not None
    module.cpu().members.load_state_dict(module.best[1])
    return members


def divide(slides: Sequence[EncoderSlide], recipe: EncoderRecipe, seed: int) -> list[list[Bool[Tensor, " n"]]]:
    """Which spots each network is not trained on: per network and slide, shape (n,).

    Args:
        slides: Training slides.
        recipe: ``folds``, ``repeats`` and ``blocks``. With one fold nothing is left out, and all spots count as unseen.
        seed: Seed of the division.
    """
    unseen = []
    for repeat in range(recipe.repeats):
        generator = np.random.default_rng((seed, repeat))
        parts = []
        for slide in slides:
            n = len(slide.pos)
            order = _angles(slide.pos, generator) if recipe.blocks else generator.permutation(n)
            part = np.empty(n, dtype=np.int64)
            part[order] = np.arange(n) * recipe.folds // n
            parts.append(torch.from_numpy(part))
        unseen += [[part == fold for part in parts] for fold in range(recipe.folds)]
    return unseen


def _angles(pos: Tensor, generator: np.random.Generator) -> IntArray:
    """Spots in the order of their angle about the centroid, from a random direction on: equal shares are sectors."""
    centred = (pos - pos.mean(dim=0)).numpy()
    angle = np.arctan2(centred[:, 1], centred[:, 0]) - generator.uniform(0, 2 * np.pi)
    return np.argsort(angle % (2 * np.pi), kind="stable")


def _positions(slide: Slide) -> Tensor:
    assert slide.pos is not None
    return torch.tensor(slide.pos)
