"""Shape of the embeddings of slides: lengths, spread of the channels, distances of the slides' centroids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.lab.encoders.figure_parts import draw_per_slide
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.subject import Numbers, Scored, SlidesSubject, embedding_table, score_embeddings
from pyg_gears.lab.probe import Probe, Requirement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP = 5


class EmbeddingShapes(NamedTuple):
    """Shapes of the embeddings, see :func:`embedding_shape`, and the names of the slides."""

    slides: tuple[str, ...]
    embeddings: dict[str, Scored]


def embedding_shape(xs: Sequence[Float[Tensor, "n c"]]) -> Numbers:
    """Compare the shape of one embedding between slides.

    Args:
        xs: Embedding of each slide, shape (n, c) each.

    Returns:
        ``norm_ratio``: largest over smallest mean length of a slide's rows, at least 1. ``std_min`` and ``std_median``: standard
        deviation over all spots of the least and the median channel. ``top_5``: share of the variance on the five leading
        principal axes. ``centroid_distance``: mean distance of two slides' centroids over the root mean square distance of a
        spot from the centroid of all.
    """
    norms = [float(x.norm(dim=1).mean()) for x in xs]
    pooled = torch.cat(list(xs)).double()
    centred = pooled - pooled.mean(dim=0)
    std = centred.square().mean(dim=0).sqrt()
    variance = torch.linalg.svdvals(centred).square()
    centroids = torch.stack([x.double().mean(dim=0) for x in xs])
    radius = float(centred.square().sum(dim=1).mean().sqrt())
    return {
        "norm_ratio": max(norms) / max(min(norms), 1e-12),
        "std_min": float(std.min()),
        "std_median": float(std.median()),
        "top_5": float(variance[:TOP].sum() / variance.sum().clamp(min=1e-300)),
        "centroid_distance": float(torch.nn.functional.pdist(centroids).mean()) / max(radius, 1e-12),
    }


def _alone(slide: Slide, x: Tensor) -> Numbers:
    return {"norm": float(x.norm(dim=1).mean())}


def _measure(subject: SlidesSubject) -> EmbeddingShapes:
    names = tuple(slide.name for slide in subject.slides)
    return EmbeddingShapes(names, score_embeddings(subject, embedding_shape, _alone))


def _tables(record: EmbeddingShapes) -> Mapping[str, pd.DataFrame]:
    columns = {
        "norm_ratio": "norm ratio",
        "centroid_distance": "centroid distance",
        "std_min": "least std",
        "std_median": "median std",
        "top_5": "top-5 variance",
    }
    title = "Shape of the embeddings (better: near 1, lower, not 0; the others describe)"
    return {title: embedding_table(record.embeddings, columns)}


def _draw(record: EmbeddingShapes, figure: Figure) -> None:
    label = "mean norm / mean over slides"
    draw_per_slide(figure, record.embeddings, record.slides, "norm", label, relative=True)


def _requirements(record: EmbeddingShapes) -> list[Requirement]:
    found = []
    for name, one in record.embeddings.items():
        numbers = one.summary["fitted"] or one.summary["held_out"]
        if one.given and numbers:
            found += [LIMITS[key].requirement(numbers[key], name) for key in ("norm_ratio", "std_min")]
    return found


PROBE = Probe("embedding_shape", _measure, _tables, _draw, _requirements)
