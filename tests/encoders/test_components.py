from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import pyg_gears.encoders.centered_operator as centered_operator_file
from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import ComponentEncoder, Normalization, center, centering, gene_statistics, normalize_expression
from pyg_gears.encoders.centered_operator import centered_operator
from pyg_gears.encoders.component_encoder import CELLS_WEIGHT, FOLDS
from pyg_gears.encoders.components import align_components, neighbor_graph
from pyg_gears.seeds import random_stream


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue("lobules", slides=2, cells=70, seed=0, spots=120, genes=150)


def test_the_operator_is_the_centred_matrix_from_both_sides(monkeypatch) -> None:
    generator = np.random.default_rng(0)
    dense = generator.poisson(0.3, size=(30, 12)).astype(np.float64)
    monkeypatch.setattr(centered_operator_file, "ENTRIES", 84)  # seven rows at a time
    mean = dense.mean(axis=0, dtype=np.float64)
    operator, centred = centered_operator(sparse.csr_array(dense), mean), dense - mean
    for shape in ((), (4,)):
        genes, spots = generator.normal(size=(12, *shape)), generator.normal(size=(30, *shape))
        np.testing.assert_allclose(operator @ genes, centred @ genes, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(operator.T @ spots, centred.T @ spots, rtol=1e-12, atol=1e-12)
    single = centered_operator(sparse.csr_array(dense.astype(np.float32)), mean) @ genes
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, centred @ genes, rtol=1e-5, atol=1e-5)


def leading(matrix: np.ndarray, count: int) -> np.ndarray:
    """Leading eigenvectors, the largest entry of each positive."""
    vector = np.linalg.eigh((matrix + matrix.T) / 2)[1][:, ::-1][:, :count]
    return vector * np.sign(vector[np.abs(vector).argmax(axis=0), np.arange(count)])


def dense_fit(
    slides, cells, count: int, kind: str, normalization: Normalization
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The fit by whole matrices in float64, fold after fold: components, and the cross-fitted scores."""
    values = [center(normalize_expression(slide, normalization)).astype(np.float64) for slide in slides]

    def form(kept: list[np.ndarray]) -> np.ndarray:
        total = np.zeros((values[0].shape[1],) * 2)
        for v, slide, rows in zip(values, slides, kept, strict=True):
            total += v[rows].T @ (v[rows] if kind == "pca" else neighbor_graph(slide.pos[rows]) @ v[rows])
        return total

    whole, extra = form([np.ones(len(v), dtype=bool) for v in values]), 0.0
    if cells is not None:
        own = center(normalize_expression(cells, normalization)).astype(np.float64)
        scores = own @ leading(own.T @ own, count)
        unit = scores / np.linalg.norm(scores, axis=1, keepdims=True)
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -9)
        near = np.argsort(-similarity, axis=1)[:, :6]
        graph = np.zeros((len(own), len(own)))
        np.put_along_axis(graph, near, 1 / 6, axis=1)
        extra = own.T @ (own if kind == "pca" else (graph + graph.T) / 2 @ own)
        extra = extra * CELLS_WEIGHT * np.linalg.eigvalsh(whole).max() / np.linalg.eigvalsh(extra).max()
    full = leading(whole + extra, count)
    variance = np.concatenate([v @ full for v in values]).var(axis=0)
    generator = random_stream(0, "component folds")
    folds = [generator.permutation(len(slide)) % FOLDS for slide in slides]
    parts = [np.empty((len(slide), count)) for slide in slides]
    for number in range(FOLDS):
        rest = form([fold != number for fold in folds]) + extra
        components = align_components(leading(rest, count), full, variance)
        for v, fold, part in zip(values, folds, parts, strict=True):
            part[fold == number] = v[fold == number] @ components
    return full, parts


@pytest.mark.parametrize("kind", ["pca", "spatial"])
@pytest.mark.parametrize("with_cells", [False, True])
def test_the_sparse_fit_equals_the_dense_one(tissue, kind: str, with_cells: bool) -> None:
    normalization, cells = Normalization(1000.0), tissue.cells if with_cells else None
    expected, parts = dense_fit(tissue.slides, cells, 4, kind, normalization)
    encoder, crossed = ComponentEncoder.fit_transform(
        tissue.slides, cells, n_components=4, kind=kind, normalization=normalization
    )
    np.testing.assert_allclose(encoder.components.numpy(), expected, rtol=0, atol=1e-4)
    for x, part in zip(crossed, parts, strict=True):
        scale = np.abs(part).max()
        np.testing.assert_allclose(x.numpy() * encoder.scale / scale, part / scale, rtol=0, atol=1e-4)


def test_fitting_makes_no_dense_table_of_all_genes() -> None:
    """Mostly zeros, as counts are: the peak stays below one dense float32 copy."""
    generator = np.random.default_rng(0)
    from pyg_gears.data import Slide

    n, genes = 6000, 2000
    counts = sparse.random_array((n, genes), density=0.01, rng=generator, dtype=np.float32) * 10
    names = tuple(f"g{i}" for i in range(genes))
    slide = Slide(
        "sparse", sparse.csr_array(counts).ceil(), names, tuple(map(str, range(n))), generator.uniform(size=(n, 2))
    )
    tracemalloc.start()
    ComponentEncoder.fit_transform([slide], n_components=3, kind="spatial", normalization=Normalization())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * genes * 4


def test_alignment_is_the_weighted_procrustes_rotation() -> None:
    generator = np.random.default_rng(0)
    reference = np.linalg.qr(generator.normal(size=(20, 4)))[0]
    other = np.linalg.qr(reference + 0.1 * generator.normal(size=(20, 4)))[0]
    variance = np.array([5.0, 3.0, 1.0, 0.5])
    u, _, vt = np.linalg.svd((other.T @ reference) * variance)
    np.testing.assert_allclose(align_components(other, reference, variance), other @ u @ vt, rtol=1e-12, atol=1e-13)
    turn = np.linalg.qr(generator.normal(size=(4, 4)))[0]
    np.testing.assert_allclose(align_components(reference @ turn, reference, variance), reference, atol=1e-12)


def test_the_mean_is_that_of_the_whole_slide(tissue) -> None:
    slide = tissue.slides[0]
    expression = normalize_expression(slide)
    mean = gene_statistics(expression).mean
    part = centered_operator(expression[:5], mean) @ np.eye(len(slide.genes))
    np.testing.assert_allclose(part, center(expression)[:5], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transform", ["log1p", "sqrt"])
def test_expression_is_normalised_some_rows_at_a_time(tissue, monkeypatch, transform) -> None:
    counts = tissue.slides[0].counts.toarray().astype(np.float64)
    counts[[0, 5]] = 0
    slide = replace(tissue.slides[0], counts=sparse.csr_array(counts.astype(np.float32)))
    monkeypatch.setattr(centering, "ROWS", 3)
    found = normalize_expression(slide, Normalization(500.0, transform))
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    expected = 500.0 * counts / total
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found.toarray(), np.log1p(expected) if transform == "log1p" else np.sqrt(expected), rtol=1e-6
    )
    assert np.shares_memory(found.indices, slide.counts.indices)  # its values are all that is made
