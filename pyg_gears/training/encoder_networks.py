"""Train the networks of an embedding, each without some of the spots."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.encoders import ExpressionNetwork
from pyg_gears.seeds import random_stream, torch_stream
from pyg_gears.training.embedding_recipe import D7Embedding, GenesFront, LearnedEmbedding
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide
from pyg_gears.training.encoder_run import run_encoder


class TrainedNetworks(NamedTuple):
    """Networks in the state that is kept.

    Attributes:
        members: The networks.
        steps: Steps that this state was trained for.
    """

    members: list[ExpressionNetwork]
    steps: int


def train_networks(
    recipe: LearnedEmbedding | D7Embedding,
    slides: Sequence[EncoderSlide],
    unseen: Sequence[Sequence[Bool[Tensor, " n"]]],
    held_out: Sequence[EncoderSlide],
    *,
    steps: int,
    cells: Float[Tensor, "m f"] | None = None,
    seed: int,
    folder: Path | None = None,
    progress: bool = False,
    device: torch.device | str = "cpu",
) -> TrainedNetworks:
    """Train one network per entry of ``unseen`` and return them in the state that the recipe keeps.

    Args:
        recipe: The recipe.
        slides: Training slides.
        unseen: Per network and slide the spots it is not trained on.
        held_out: Slides whose overlap@20 chooses the state; without any, the last one is kept.
        steps: Steps after which the training ends, while the rate falls over those of the recipe.
        cells: Features of cells that take part in the training, shape (m, f).
        seed: Seed of first weights, batches and views.
        folder: Where checkpoints go; a finished or broken-off run there is taken up.
        progress: Show a progress bar.
        device: Where networks are trained.
    """
    in_channels, generator = slides[0].features.size(1), torch_stream(seed, "encoder weights")
    residual = isinstance(recipe, LearnedEmbedding) and not isinstance(recipe.front, GenesFront)
    width = min(recipe.out_channels, in_channels) if residual else recipe.out_channels
    members = [
        ExpressionNetwork(in_channels, width, recipe.hidden, residual=residual, generator=generator) for _ in unseen
    ]
    if steps == 0:
        if progress and sys.stderr is not None:
            line = "encoder of all slides: no steps, as its networks agreed best with the held-out spots before any"
            print(line, file=sys.stderr)
        return TrainedNetworks(members, 0)
    module = EncoderModule(members, recipe, slides, unseen, held_out, cells=cells, seed=seed)
    content = [tuple(slide) for slide in (*slides, *held_out)]
    run_encoder(
        module,
        recipe,
        seed,
        content,
        cells,
        folder=folder,
        steps=steps,
        title="encoder" if held_out else "encoder of all slides",
        validate=len(held_out) > 0,
        progress=progress,
        device=device,
    )
    if recipe.keep == "best" and module.best is not None:
        module.members.load_state_dict(module.best.state)
        steps = module.best.step
    return TrainedNetworks(members, steps)


def divide(
    slides: Sequence[EncoderSlide], recipe: LearnedEmbedding | D7Embedding, seed: int
) -> list[list[Bool[Tensor, " n"]]]:
    """Which spots each network is not trained on: per network and slide, shape (n,).

    Args:
        slides: Training slides.
        recipe: ``folds`` and ``repeats``. With one fold nothing is left out, and all spots count as unseen; d7 is one such
            network.
        seed: Seed of the division.
    """
    if isinstance(recipe, D7Embedding):
        return [[torch.ones(len(slide.pos), dtype=torch.bool) for slide in slides]]
    unseen = []
    for repeat in range(recipe.repeats):
        generator = random_stream(seed, "encoder folds", repeat)
        parts = []
        for slide in slides:
            n = len(slide.pos)
            part = np.empty(n, dtype=np.int64)
            part[generator.permutation(n)] = np.arange(n) * recipe.folds // n
            parts.append(torch.from_numpy(part))
        unseen += [[part == fold for part in parts] for fold in range(recipe.folds)]
    return unseen
