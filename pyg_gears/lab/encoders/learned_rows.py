"""The learned encoder in a batch-effect report, without and with a term of its training that draws slides together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import Encoder
from pyg_gears.lab.encoders.comparison_rows import ComparisonRow, on_variable_genes
from pyg_gears.training.embedding_recipe import LearnedEmbedding
from pyg_gears.training.encoder_training import fit_encoder

WEIGHTS = (10.0, 100.0)
"""At 1 neither term shows."""


def learned_rows(seed: int = 0) -> tuple[ComparisonRow, ...]:
    """The encoder of ``embedding.kind=learned``, then trained with CORAL and with MMD between slides, at two weights each.

    Args:
        seed: Seed of the networks; all rows start from the same weights and read the same batches and views.
    """
    rows = [ComparisonRow("learned", partial(fit_learned, seed=seed))]
    rows += [ComparisonRow(f"learned, CORAL {w:g}", partial(fit_learned, seed=seed, coral=w)) for w in WEIGHTS]
    rows += [ComparisonRow(f"learned, MMD {w:g}", partial(fit_learned, seed=seed, mmd=w)) for w in WEIGHTS]
    return tuple(rows)


def fit_learned(slides: Sequence[Slide], seed: int, coral: float = 0.0, mmd: float = 0.0) -> Encoder:
    """Train the learned encoder to its last step, so that no slide but those that it is trained on decides anything.

    Args:
        slides: Training slides; two or more for a weight above 0.
        seed: Seed of the networks.
        coral: Weight ``embedding.coral``.
        mmd: Weight ``embedding.mmd``.

    Raises:
        InputError: for a weight above 0 with one slide.
    """
    steps = LearnedEmbedding().steps
    recipe = LearnedEmbedding(coral=coral, mmd=mmd, repeats=1, keep="last", evaluate_every=steps)
    kept = on_variable_genes(slides, recipe.normalization)
    # With ``keep="last"`` what is measured on these slides has no effect.
    return fit_encoder(recipe, kept, None, [(slide, None) for slide in kept], seed=seed).encoder
