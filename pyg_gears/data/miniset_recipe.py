"""How minisets are drawn: how many, how large, and by which kinds of sampling."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pyg_gears.configuration import Configuration


class LocalSampling(Configuration):
    """Spots around a centre, with probability proportional to exp(-d / tau_c)."""

    share: float = Field(default=0.5, gt=0)
    """Share of the minisets, relative to the other kinds. Half local, half uniform transferred best to unseen sections."""
    tau: float = Field(default=1.0, gt=0)
    """Reach, in radii that hold as many spots as the miniset."""


class UniformSampling(Configuration):
    """Spots drawn uniformly over the whole slide."""

    share: float = Field(default=0.5, gt=0)
    """Share of the minisets, relative to the other kinds."""


class ExpressionSampling(Configuration):
    """Spots that random walks with restart visit first on the kNN graph of the embedding, as patches of cells are drawn."""

    share: float = Field(default=0.5, gt=0)
    """Share of the minisets, relative to the other kinds."""
    restart: float = Field(default=0.15, ge=0, lt=1)
    """Probability that a walker returns to its start."""
    neighbors: int = Field(default=20, ge=1)
    """Neighbours per spot in the embedding (cosine)."""


class GeodesicSampling(Configuration):
    """Spots around a centre by their distance along the tissue, as published: nearly evenly from a pool around it."""

    share: float = Field(default=1.0, gt=0)
    """Share of the minisets, relative to the other kinds."""
    tau: float = Field(default=1.0, gt=0)
    """Reach, in RMS radii of the slide. Published: 1."""
    pool: float = Field(default=2.0, ge=1)
    """Spots that are drawn from, as a multiple of the miniset. Published: 2 in the release, 4 in the research code."""
    neighbors: int = Field(default=15, ge=1)
    """Neighbours per spot in the graph of distances. Published: 15."""


class MinisetRecipe(Configuration):
    """How minisets are drawn from slides. Each kind of sampling that is present gets its share; at least one must be."""

    count: int = Field(default=400, ge=1)
    """Number of training minisets; they come from the slides in turn."""
    min_size: int = Field(default=96, ge=3)
    """Smallest miniset, in spots."""
    max_size: int = Field(default=384, ge=3)
    """Largest miniset, in spots."""
    max_share: float = Field(default=0.75, gt=0, le=1)
    """Largest share of a slide's spots in one miniset; both sizes are clipped to it. Otherwise all minisets of a
    small section would be the whole section (STARmap BZ14: Spearman 0.296 without, 0.313 to 0.333 with 0.75)."""
    local: LocalSampling | None = LocalSampling()
    """Spots around a centre. Uniform minisets alone reached 0.61 / 0.82 on hippocampus 3, half and half 0.66 / 0.84."""
    uniform: UniformSampling | None = UniformSampling()
    """Spots drawn over the whole slide: the large scale."""
    expression: ExpressionSampling | None = None
    """Spots drawn as patches of cells are. Not measured."""
    geodesic: GeodesicSampling | None = None
    """Spots drawn as published. Not measured."""
    seed: int = Field(default=0, ge=0)
    """Seed of sizes and spots, within the seed of the run: another one draws other minisets for the same encoder."""

    @model_validator(mode="after")
    def _sizes_and_kinds(self) -> Self:
        if self.min_size > self.max_size:
            raise ValueError(
                f"expected minisets.min_size at most max_size, found {self.min_size} and {self.max_size}; change one."
            )
        if (self.local, self.uniform, self.expression, self.geodesic) == (None,) * 4:
            raise ValueError(
                "expected at least one of minisets.local, uniform, expression and geodesic, found none; set one of them."
            )
        return self


class PairKinds(Configuration):
    """How often pairs of each kind are drawn, relative to one another."""

    easy: float = Field(default=0.5, ge=0)
    """Views of one centre. Published: 0.5."""
    medium: float = Field(default=0.3, ge=0)
    """Views of two centres. Published: 0.3."""
    hard: float = Field(default=0.2, ge=0)
    """Views of one centre that share 15 to 25 %. Published: 0.2."""

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.easy + self.medium + self.hard == 0:
            raise ValueError("expected a kind of pairs with a share above 0, found none; raise easy, medium or hard.")
        return self


class PairedViews(Configuration):
    """Minisets 2i and 2i + 1 are views that share spots."""

    alpha: float = Field(default=0.5, ge=0, le=1)
    """Least part that the two views share."""
    n_min: int = Field(default=32, ge=0)
    """Least number of spots that the two views share. Published: 16."""
    kinds: PairKinds | None = None
    """Easy, medium and hard pairs as published, drawn with ``minisets.geodesic``; null deals one larger miniset to two views."""
