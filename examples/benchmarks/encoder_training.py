"""The training of the encoder's networks with the loss's gradient written out against autograd's, paired in one run.

The plain loss is spatial InfoNCE as its formula is written; networks, batches and views are the same. Read are CPU seconds
of ``train_networks`` alone, the two ways in turn, and what the embeddings reach: overlap@20 on the section that chooses the
state, and the Spearman correlation of distances on a section that nothing has seen, each spot at the mean place of its 20
nearest training spots in H (of the training section whose embedding is nearer).

    python examples/benchmarks/encoder_training.py TRAIN.h5ad ... --validate SECTION.h5ad --unseen SECTION.h5ad
        [--rounds 3] [--seeds 2] [--threads 1]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.data import Slide, read_slide
from pyg_gears.encoders import ComponentEncoder, LearnedEncoder, neighbor_agreement, spatial_infonce
from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.metrics import evaluate_layout
from pyg_gears.training import Recipe, encoder_module
from pyg_gears.training.encoder_module import EncoderSlide
from pyg_gears.training.encoder_networks import divide, train_networks
from pyg_gears.training.parts import choose_parts

K = 20


def plain_infonce(
    a: Tensor,
    b: Tensor,
    neighbors: Tensor,
    *,
    temperature: float,
    hard_weight: float = 0.0,
    far: Tensor | None = None,
) -> Tensor:
    """The loss as its formula is written, without hard negatives."""
    assert hard_weight == 0
    assert far is None
    logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    logits = logits.masked_fill(torch.eye(len(logits), dtype=torch.bool, device=logits.device), -1e30)
    present = neighbors >= 0
    count = present.sum(dim=1)
    log_share = logits.gather(1, neighbors.clamp(min=0)) - logits.logsumexp(dim=1, keepdim=True)
    per_spot = (log_share * present).sum(dim=1) / count.clamp(min=1)
    return -per_spot.sum() / (count > 0).sum().clamp(min=1)


WAYS = {"plain": plain_infonce, "written out": spatial_infonce}


def place_by_neighbors(query: Tensor, sections: Sequence[tuple[Tensor, Tensor]]) -> np.ndarray:
    """Mean place of the K nearest training spots, of the one section whose K nearest are nearer on the mean."""
    found = []
    for x, pos in sections:
        distance, index = torch.cdist(query, x).topk(K, largest=False)
        found.append((float(distance.mean()), pos[index].mean(dim=1)))
    return min(found, key=lambda pair: pair[0])[1].numpy()


def main() -> None:
    """Train both ways in turn and print seconds, ratio and quality."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", nargs="+")
    parser.add_argument("--validate", required=True)
    parser.add_argument("--unseen", required=True)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    slides = [read_slide(path) for path in (*arguments.train, arguments.validate)]
    recipe = Recipe.preset(arguments.preset)
    parts = choose_parts(recipe, slides, None, slides[-1].name)
    spots, validation = [part.spots for part in parts.train], parts.held_out[0].slide
    unseen_slide, chosen = read_slide(arguments.unseen), recipe.embedding
    front, features = ComponentEncoder.fit_transform(
        spots,
        n_components=chosen.front.components,
        kind=chosen.front.kind,
        normalization=chosen.normalization,
    )
    seen = [EncoderSlide(x, positions(slide)) for x, slide in zip(features, spots, strict=True)]
    held_out = [EncoderSlide(front.encode(validation), positions(validation))]
    graphs = [neighbor_graph(slide.pos.numpy()) for slide in seen]

    def train(way: str, seed: int, steps: int) -> tuple[float, LearnedEncoder, list[Tensor]]:
        changed = chosen.change({"steps": steps})
        unseen = divide(seen, changed, seed)
        with patch.object(encoder_module, "spatial_infonce", WAYS[way]):
            start = time.process_time()
            members = train_networks(changed, seen, unseen, held_out, steps=changed.steps, seed=seed).members
            seconds = time.process_time() - start
        learned, crossed = LearnedEncoder.assemble(
            front,
            members,
            features,
            unseen,
            graphs,
            divisions=chosen.repeats,
            min_autocorrelation=chosen.min_autocorrelation,
        )
        return seconds, learned, crossed

    for way in WAYS:
        train(way, 0, 2)  # warm up
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(max(arguments.rounds, arguments.seeds)):
        for way in WAYS:
            spent, learned, crossed = train(way, number % arguments.seeds, chosen.steps)
            seconds[way].append(spent)
            if number < arguments.seeds:
                known = learned.embed_features(held_out[0].features).x
                overlap = neighbor_agreement(known, held_out[0].pos).overlap
                sections = [(x, slide.pos) for x, slide in zip(crossed, seen, strict=True)]
                layout = place_by_neighbors(learned.encode(unseen_slide), sections)
                spearman = evaluate_layout(layout, positions(unseen_slide).numpy())["spearman"]
                print(f"seed {number}  {way:<12} {overlap:7.4f} overlap@20 {spearman:7.4f} Spearman unseen", flush=True)
    for way, values in seconds.items():
        print(f"{way:<12} {statistics.median(values):7.2f} s CPU")
    ratio = statistics.median(a / b for a, b in zip(seconds["plain"], seconds["written out"], strict=True))
    sizes = ", ".join(str(len(slide.pos)) for slide in seen)
    print(
        f"ratio {ratio:.2f}: {chosen.folds * chosen.repeats} networks, {chosen.steps} steps, sections of {sizes} spots"
    )


def positions(slide: Slide) -> Tensor:
    """Places of a slide's spots."""
    assert slide.pos is not None
    return torch.tensor(slide.pos)


if __name__ == "__main__":
    main()
