"""What a batch-effect report is about: slides, and every embedding of them, fitted with and without each slide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from torch import Tensor

from pyg_gears.data.slide import Slide, shared_genes
from pyg_gears.encoders.base import Encoder
from pyg_gears.errors import expect
from pyg_gears.lab.encoders.comparison_rows import ComparisonRow, FittedRow, Jointly, comparison_rows, fit_pca
from pyg_gears.lab.encoders.slide_clusters import slide_clusters
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.progress_bar import progress_bar
from pyg_gears.typing import IntArray

MAX_SPOTS = 5000
KINDS = {"fitted": "fitted", "held_out": "held out"}

Numbers: TypeAlias = dict[str, float]


class Fit(NamedTuple):
    """One fit of an encoder.

    Attributes:
        encoder: The encoder.
        seen: Slides that it was fitted on.
        unseen: Slides that it was not fitted on.
        xs: Name of the slide -> its embedding, for all slides.
    """

    encoder: Encoder
    seen: tuple[Slide, ...]
    unseen: tuple[Slide, ...]
    xs: dict[str, Tensor]


@dataclass(frozen=True)
class Embedding:
    """An embedding of the slides.

    Attributes:
        name: Name in tables and figures.
        fitted: The fit that has seen slides; None for a given encoder that has seen none of them.
        folds: The fits that have not seen some slides.
        adapt: Whether cells are compared with spots in it.
        given: Whether the encoder was fitted elsewhere, so that the report judges it.
    """

    name: str
    fitted: Fit | None
    folds: tuple[Fit, ...]
    adapt: bool = False
    given: bool = False


@dataclass(frozen=True)
class SlidesSubject:
    """Slides and their embeddings.

    Attributes:
        slides: The slides on the genes that all files share.
        whole: The same slides with all their genes.
        cells: Dissociated cells with all their genes, or None.
        folds: Names of the slides that are left out together.
        embeddings: Every embedding.
        clusters: Cluster of like spots, all slides one after the other.
        seed: Seed of all draws.
        adapter_steps: Steps of the adapters between cells and spots.
        notes: What was done to the input.
        gene_sets: Name -> genes of the user's programmes.
    """

    slides: tuple[Slide, ...]
    whole: tuple[Slide, ...]
    cells: Slide | None
    folds: tuple[tuple[str, ...], ...]
    embeddings: tuple[Embedding, ...]
    clusters: IntArray
    seed: int = 0
    adapter_steps: int = 500
    notes: tuple[str, ...] = ()
    gene_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def labels(self) -> IntArray:
        """Number of the slide of each spot, all slides one after the other."""
        return np.repeat(np.arange(len(self.slides)), [len(slide) for slide in self.slides])

    @property
    def chance(self) -> float:
        """Balanced accuracy of a slide probe that knows nothing."""
        return 1.0 / len(self.slides)

    def embedding(self, name: str) -> Embedding:
        """The embedding of this name.

        Raises:
            NotMeasurable: when it was not asked for.
        """
        found = next((one for one in self.embeddings if one.name == name), None)
        if found is None:
            raise NotMeasurable(f"expected the embedding {name}, found none of that name; compare it too.")
        return found

    def splits(self) -> list[tuple[list[Slide], list[Slide]]]:
        """Slides left out and slides fitted on: nothing left out first, then each fold."""
        return [
            ([s for s in self.slides if s.name in names], [s for s in self.slides if s.name not in names])
            for names in ((), *self.folds)
        ]


class FitScores(NamedTuple):
    """Scores of one fit: of all slides ``together``, and of each slide ``alone`` (by name); ``judged`` names those averaged."""

    judged: tuple[str, ...]
    together: Numbers
    alone: dict[str, Numbers]


class Scored(NamedTuple):
    """Scores of an embedding.

    Attributes:
        fitted: Scores of the fit that has seen slides, judged on those.
        folds: Scores of the fits that left slides out, judged on the slides left out.
        summary: "fitted" and "held_out" -> mean of each score over fits (and judged slides); None without a fit.
        given: Whether the encoder was fitted elsewhere.
    """

    fitted: FitScores | None
    folds: tuple[FitScores, ...]
    summary: dict[str, Numbers | None]
    given: bool


def slides_subject(
    slides: Sequence[Slide],
    cells: Slide | None = None,
    *,
    held_out: Sequence[str] = (),
    rows: Sequence[ComparisonRow] | None = None,
    fitted: Sequence[FittedRow] = (),
    seed: int = 0,
    adapter_steps: int = 500,
    gene_sets: Mapping[str, tuple[str, ...]] | None = None,
) -> SlidesSubject:
    """Fit every embedding with all slides and without each fold, and embed all slides.

    Args:
        slides: Two or more slides with positions and names of their own.
        cells: Dissociated cells.
        held_out: Names of slides to leave out of every fit, all at once; by default each slide is left out in turn.
        rows: Embeddings to compare, by default :func:`~pyg_gears.lab.encoders.comparison_rows.comparison_rows`.
        fitted: Encoders that were fitted elsewhere.
        seed: Seed of all draws.
        adapter_steps: Steps of the adapters between cells and spots.
        gene_sets: Name -> genes of the user's programmes.

    Raises:
        InputError: when fewer than two genes are shared, none of them is in a gene set, or a fitted encoder reads genes that a
            file lacks.
    """
    thinned = [_thinned(slide, seed) for slide in slides]
    notes = [note for _, note in thinned if note]
    whole = tuple(slide for slide, _ in thinned)
    for done in fitted:
        for each in (*whole, *(() if cells is None else (cells,))):
            each.subset_genes(done.encoder.genes)  # genes that a file lacks are reported before the long fits
    genes = shared_genes([*whole, cells] if cells is not None else whole)
    expect(
        not gene_sets or any(not set(genes).isdisjoint(one) for one in gene_sets.values()),
        f"expected gene sets with genes of the slides (such as {genes[0]}), found none; write the names as in the files.",
    )
    shared = tuple(slide.subset_genes(genes) for slide in whole)
    folds = (tuple(held_out),) if held_out else tuple((slide.name,) for slide in shared)
    joint = fit_pca(shared, 20, "pca")
    clusters = slide_clusters([joint.encode(slide) for slide in shared], seed=seed)
    empty = SlidesSubject(shared, whole, cells, folds, (), clusters, seed, adapter_steps, tuple(notes), gene_sets or {})
    embeddings = []
    for row in progress_bar(comparison_rows(seed) if rows is None else rows, desc="embeddings"):
        fits = [_fit(row.fit(train), train, unseen, shared, row.jointly) for unseen, train in empty.splits()]
        embeddings.append(Embedding(row.name, fits[0], tuple(fits[1:]), row.adapt))
    for done in fitted:
        # A fitted encoder may read genes that not all files share: it gets the slides as they came.
        seen, unseen = ([slide for slide in whole if (slide.name in done.seen) == known] for known in (True, False))
        fit = _fit(done.encoder, seen, unseen, whole)
        embeddings.append(Embedding(done.name, fit if seen else None, (fit,) if unseen else (), adapt=True, given=True))
    return replace(empty, embeddings=tuple(embeddings))


def score_embeddings(
    subject: SlidesSubject,
    together: Callable[[Sequence[Tensor]], Mapping[str, float]] = lambda xs: {},
    alone: Callable[[Slide, Tensor], Mapping[str, float]] = lambda slide, x: {},
) -> dict[str, Scored]:
    """Score every fit of every embedding.

    Args:
        subject: Slides and embeddings.
        together: From the embeddings of all slides, in their order, to numbers.
        alone: From one slide and its embedding to numbers.
    """
    known: dict[int, tuple[Numbers, dict[str, Numbers]]] = {}

    def score(fit: Fit, judged: Sequence[Slide]) -> FitScores:
        if id(fit) not in known:  # a given encoder is one fit for slides that it has and has not seen
            xs = [fit.xs[slide.name] for slide in subject.slides]
            singles = {s.name: dict(alone(s, x)) for s, x in zip(subject.slides, xs, strict=True)}
            known[id(fit)] = dict(together(xs)), singles
        return FitScores(tuple(slide.name for slide in judged), *known[id(fit)])

    found = {}
    for one in subject.embeddings:
        fitted = None if one.fitted is None else score(one.fitted, one.fitted.seen)
        folds = tuple(score(fit, fit.unseen) for fit in one.folds)
        summary = {"fitted": _mean([fitted] if fitted else []), "held_out": _mean(folds)}
        found[one.name] = Scored(fitted, folds, summary, one.given)
    return found


def embedding_table(scored: Mapping[str, Scored], columns: Mapping[str, str]) -> pd.DataFrame:
    """Two rows per embedding, for slides that the fit has and has not seen; a column per score."""
    rows, index = [], []
    for name, one in scored.items():
        for kind, label in KINDS.items():
            numbers = one.summary[kind] or {}
            rows.append([numbers.get(key) for key in columns])
            index.append((name, label))
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(index), columns=list(columns.values()), dtype=float)


def _fit(
    encoder: Encoder,
    seen: Sequence[Slide],
    unseen: Sequence[Slide],
    slides: Sequence[Slide],
    jointly: Jointly | None = None,
) -> Fit:
    xs: Sequence[Tensor] = [encoder.encode(slide) for slide in slides]
    if jointly is not None:
        xs = jointly(xs)
    return Fit(encoder, tuple(seen), tuple(unseen), {slide.name: x for slide, x in zip(slides, xs, strict=True)})


def _mean(scores: Sequence[FitScores]) -> Numbers | None:
    """Mean of the scores over fits, and of those of single slides over the judged slides of each fit."""
    if not scores:
        return None
    together = {key: float(np.mean([one.together[key] for one in scores])) for key in scores[0].together}
    slides = [one.alone[name] for one in scores for name in one.judged]
    return together | {key: float(np.mean([numbers[key] for numbers in slides])) for key in slides[0]}


def _thinned(slide: Slide, seed: int) -> tuple[Slide, str]:
    if len(slide) <= MAX_SPOTS:
        return slide, ""
    kept = np.sort(np.random.default_rng(seed).choice(len(slide), MAX_SPOTS, replace=False))
    return slide.select(
        kept
    ), f"{slide.name}: {MAX_SPOTS} of {len(slide)} spots, drawn by the seed, stand for the slide."
