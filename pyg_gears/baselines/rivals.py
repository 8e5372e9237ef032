"""The simple rivals: layouts of the same cells by regression and by spectral embedding, to compare every layout with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from pyg_gears import graphs
from pyg_gears.baselines.spectral_layout import spectral_layout
from pyg_gears.data.slide import Slide, shared_genes
from pyg_gears.encoders import Normalization, center, gene_statistics, normalize_expression
from pyg_gears.errors import expect
from pyg_gears.geometry import similarity_procrustes
from pyg_gears.metrics.layout_pair import in_gauge
from pyg_gears.seeds import check_seed

Layout: TypeAlias = Float[np.ndarray, "n 2"]
Regression: TypeAlias = Callable[[int], Any]
"""Makes a scikit-learn regressor that works with the given number of training rows, or more."""

NORMALIZATION = Normalization(transform="sqrt")
MAX_FIT_CELLS = 20_000
COMPONENTS = 50
RIDGE_COMPONENTS = (5, 10, 20, 30, 50)
RIDGE_PENALTY = 10.0
SMOOTHING_NEIGHBORS = 10
KNN_COMPONENTS = 20
KNN_NEIGHBORS = 20
ALONE_COMPONENTS = 20
TSNE_MAX_CELLS = 3000
BLOCKS = 10
BLOCK_DRAWS = 3
MIN_SKILL = 0.01
SKLEARN_SEEDS = 2**32
"""scikit-learn takes no seed from here on."""


class RegressionOutput(NamedTuple):
    """A layout of the query by regression on one reference, and the regression's held-out R2 there (at most 1)."""

    layout: Layout
    skill: float


def simple_rivals(references: Sequence[Slide], query: Slide, *, seed: int = 0) -> dict[str, Layout]:
    """Lay the query out by five simple methods, which a learned layout has to beat.

    * ``ridge_pca``: ridge regression of coordinates on the PCA of the references; the query is projected.
    * ``ridge_joint_smoothed``: the same on a PCA of references and query together; then every cell takes the mean
      prediction of itself and its 9 nearest cells of the query in that PCA. The strongest of the five.
    * ``knn_regression``: mean coordinates of the 20 nearest reference spots in the joint PCA.
    * ``spectral``: two Laplacian eigenvectors of the query's own expression graph; it uses no reference.
    * ``tsne``: t-SNE of the query's own PCA (perplexity 30), without a reference too; left out above 3000 cells,
      where it takes long.

    Expression is the square root of counts per 10,000 on the shared genes, centred per section and gene. (log1p lost on
    most sections that we measured, division by the gene's deviation on all.) The number of components of the ridge
    regressions, 5 to 50, is the one with the best R2 on blocks of the reference left out in turn; random folds would
    leave a spot's neighbours in the training part.

    The frames of two sections are unrelated, so each reference gets its own regression in its own
    gauge. The predicted layouts are brought together by similarity Procrustes (mirrors allowed) onto that of the
    reference with the best held-out R2, and averaged with weights max(R2, 0.01). Averaging their distance matrices
    with the same weights gave the same within 0.005 Spearman and costs n^2.

    Args:
        references: Slides with coordinates.
        query: Cells to lay out, at least three; its coordinates, if any, are not used.
        seed: Seed of the PCA and of the blocks.

    Returns:
        Name -> layout in the gauge, shape (n, 2).

    Raises:
        InputError: without a reference, for a reference without coordinates or with all of them at one point, without shared
            genes, for fewer than three cells, or a seed that is no whole number of at least 0.
    """
    check_seed(seed)
    positions = reference_places(references)
    expect(len(query) >= 3, f"expected at least 3 cells to lay out, found {len(query)}; give more cells.")
    genes = shared_genes([*references, query])
    sections = [normalize_expression(slide.subset_genes(genes), NORMALIZATION) for slide in references]
    cells = normalize_expression(query.subset_genes(genes), NORMALIZATION)
    everything = [*sections, cells]
    alone = section_pca(sections, everything, COMPONENTS, seed=seed)
    joint = section_pca(everything, everything, COMPONENTS, seed=seed)
    own = section_pca([cells], [cells], ALONE_COMPONENTS, seed=seed)[0]

    plain, smooth, nearest = [], [], []
    for x, x_joint, y in zip(alone, joint, positions, strict=False):
        blocks = spatial_blocks(y, seed=seed)
        plain.append(_ridge_layout(x, y, alone[-1], blocks, neighbors=1))
        smooth.append(_ridge_layout(x_joint, y, joint[-1], blocks, neighbors=SMOOTHING_NEIGHBORS))
        few, few_query = x_joint[:, :KNN_COMPONENTS], joint[-1][:, :KNN_COMPONENTS]
        nearest.append(RegressionOutput(knn(len(y)).fit(few, y).predict(few_query), block_skill(knn, few, y, blocks)))
    layouts = {
        "ridge_pca": consensus(plain),
        "ridge_joint_smoothed": consensus(smooth),
        "knn_regression": consensus(nearest),
        "spectral": spectral_layout(own),
    }
    if len(own) <= TSNE_MAX_CELLS:
        layouts["tsne"] = _tsne(own, seed=seed)
    return layouts


def reference_places(references: Sequence[Slide]) -> list[Layout]:
    """Places of the spots of each reference, in its gauge.

    Raises:
        InputError: without a reference, or for a reference without coordinates or with all of them at one point.
    """
    expect(len(references) > 0, "expected at least one reference slide, found none; name one.")
    positions = []
    for slide in references:
        expect(
            slide.pos is not None,
            f"expected references with coordinates, found none in {slide.name}; name slides.",
        )
        assert slide.pos is not None
        expect(
            bool((slide.pos != slide.pos[0]).any()),
            f"expected reference positions that differ, found all of {slide.name} at one point; check the coordinates.",
        )
        positions.append(in_gauge(slide.pos))
    return positions


def section_pca(
    fit: Sequence[sparse.csr_array], embed: Sequence[sparse.csr_array], count: int, *, seed: int
) -> list[Float[np.ndarray, "n c"]]:
    """Embed sections by principal components of centred expression, all scaled alike to unit mean square.

    Args:
        fit: Normalised expression of the sections that the components are taken from; of larger ones 20,000 cells.
        embed: Normalised expression of the sections to embed, each centred by its own gene means.
        count: Number of components, cut to what the data have.
        seed: Seed of the randomised solver and of the draw of cells.

    Returns:
        One float64 embedding per section of ``embed``.
    """
    generator = np.random.default_rng(seed)
    blocks = [center(expression[fit_rows(expression.shape[0], generator)], zscore=False) for expression in fit]
    weight = unit_components(np.concatenate(blocks), count, seed=seed)
    return [np.asarray(x @ weight - gene_statistics(x).mean @ weight) for x in embed]


def fit_rows(n: int, generator: np.random.Generator) -> Int[np.ndarray, " m"]:
    """Rows of a section of n cells that components are taken from: all, or 20,000 of them."""
    return np.sort(generator.permutation(n)[:MAX_FIT_CELLS])


def unit_components(values: Float[np.ndarray, "n g"], count: int, *, seed: int) -> Float[np.ndarray, "g c"]:
    """Principal components of centred values, scaled so that projections on them have unit mean square, float64."""
    from sklearn.decomposition import PCA

    pca = PCA(min(count, *values.shape), random_state=int(seed) % SKLEARN_SEEDS).fit(values)
    return pca.components_.T.astype(np.float64) / max(float(np.sqrt(pca.explained_variance_.mean())), 1e-12)


def consensus(outputs: Sequence[RegressionOutput]) -> Layout:
    """Mean of layouts of the same cells, aligned onto the most skilful one, weighted by skill; in the gauge."""
    layouts = [torch.from_numpy(in_gauge(output.layout)) for output in outputs]
    weights = np.maximum([output.skill for output in outputs], MIN_SKILL)
    best = layouts[int(np.argmax(weights))]
    aligned = [similarity_procrustes(layout, best, allow_reflection=True).aligned.numpy() for layout in layouts]
    return in_gauge(np.average(aligned, axis=0, weights=weights))


def spatial_blocks(
    pos: Layout, *, seed: int, blocks: int = BLOCKS, draws: int = BLOCK_DRAWS
) -> list[Int[np.ndarray, " n"]]:
    """Partitions of a section into contiguous blocks (k-means of the positions): the block of each spot, for every draw."""
    from sklearn.cluster import KMeans

    check_seed(seed)
    count = min(blocks, len(np.unique(pos, axis=0)))
    states = np.random.SeedSequence(seed).generate_state(draws)
    return [KMeans(count, n_init=1, random_state=int(state)).fit_predict(pos) for state in states]


def block_skill(
    regression: Regression, x: Float[np.ndarray, "n c"], y: Layout, blocks: Sequence[Int[np.ndarray, " n"]]
) -> float:
    """R2 of a regression on blocks of a section, each predicted from the rest; mean over the partitions."""
    from sklearn.metrics import r2_score
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

    scores = []
    for block in blocks:
        regressor = regression(len(y) - int(np.bincount(block).max()))
        predicted = cross_val_predict(regressor, x, y, groups=block, cv=LeaveOneGroupOut())
        scores.append(r2_score(y, predicted, multioutput="variance_weighted"))
    return float(np.mean(scores))


def ridge(rows: int) -> Any:
    """Least squares with penalty 10 on the squared weights (x has unit mean square) and a free intercept."""
    from sklearn.linear_model import Ridge

    return Ridge(alpha=RIDGE_PENALTY)


def knn(rows: int) -> Any:
    """The mean of the 20 nearest rows, of all where there are fewer."""
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(min(KNN_NEIGHBORS, rows), algorithm="brute")


def _ridge_layout(
    x: np.ndarray, y: np.ndarray, query: np.ndarray, blocks: Sequence[np.ndarray], *, neighbors: int
) -> RegressionOutput:
    widths = [d for d in RIDGE_COMPONENTS if d <= x.shape[1]] or [x.shape[1]]
    skills = [block_skill(ridge, x[:, :d], y, blocks) for d in widths]
    skill, width = max(skills), widths[int(np.argmax(skills))]
    few = query[:, :width]
    layout = ridge(len(y)).fit(x[:, :width], y).predict(few)
    if neighbors > 1:
        near = graphs.knn(torch.from_numpy(few), min(neighbors, len(few)) - 1, metric="euclidean").index.numpy()
        layout = (layout + layout[near].sum(axis=1)) / (near.shape[1] + 1)
    return RegressionOutput(layout, skill)


def _tsne(x: np.ndarray, *, seed: int) -> Layout:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(x) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init="pca", random_state=int(seed) % SKLEARN_SEEDS).fit_transform(
        x.astype(np.float32)
    )
    return in_gauge(layout.astype(np.float64))
