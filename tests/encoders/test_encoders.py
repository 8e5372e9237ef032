from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import sparse

from pyg_gears.data import Slide, simulate_tissue
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    Encoder,
    LearnedEncoder,
    Normalization,
    center,
    gene_statistics,
    normalize_expression,
    variable_genes,
)
from pyg_gears.encoders.components import (
    Block,
    kept_graph,
    kept_spots,
    leading_components,
    leading_value,
    neighbor_graph,
    principal_components,
)
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.smoothing import smooth_shallow
from pyg_gears.errors import InputError


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue("gradient", slides=3, cells=80, seed=0, spots=100, genes=80)


def test_normalisation_is_the_formula(tissue) -> None:
    counts = tissue.slides[0].counts.toarray().astype(np.float64)
    scaled = counts / counts.sum(axis=1, keepdims=True)
    for normalization, expected in (
        (Normalization(), np.log1p(1e4 * scaled)),
        (Normalization(1000.0, "sqrt"), np.sqrt(1000 * scaled)),
    ):
        found = normalize_expression(tissue.slides[0], normalization)
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"expected transform among log1p, sqrt, found 'log'"):
        normalize_expression(tissue.slides[0], Normalization(1.0, "log"))


def test_empty_spots_and_constant_genes_stay_finite(tissue) -> None:
    counts = tissue.slides[0].counts.toarray()
    counts[3], counts[:, 5] = 0, 0
    slide = dataclasses.replace(tissue.slides[0], counts=type(tissue.slides[0].counts)(counts))
    values = center(normalize_expression(slide), zscore=True)
    assert np.isfinite(values).all()
    assert (values[:, 5] == 0).all()


def test_statistics_and_variable_genes(tissue) -> None:
    dense = normalize_expression(tissue.slides[0]).toarray()
    statistics = gene_statistics(normalize_expression(tissue.slides[0]))
    np.testing.assert_allclose(statistics.mean, dense.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(statistics.std, dense.std(axis=0), rtol=1e-3, atol=1e-6)
    chosen = variable_genes(tissue.slides[:1], 10)
    best = np.sort(np.argsort(-dense.var(axis=0))[:10])
    assert chosen == tuple(tissue.slides[0].genes[i] for i in best)
    assert variable_genes(tissue.slides, None) == tissue.slides[0].genes
    with pytest.raises(ValueError, match="expected at least one"):
        variable_genes([], 10)
    with pytest.raises(InputError, match="expected count to be a whole number above 0, found -1; give one"):
        variable_genes(tissue.slides, -1)


def test_a_gene_of_one_value_does_not_vary() -> None:
    value = np.array([1.2345678, 5.4321, 0.0333], dtype=np.float32)
    found = gene_statistics(sparse.csr_array(np.tile(value, (4000, 1))))
    np.testing.assert_allclose(found.mean, value, rtol=1e-12)
    assert (found.std < 1e-6).all()


def test_components_are_the_eigenvectors() -> None:
    generator = np.random.default_rng(0)
    values, points = generator.normal(size=(60, 12)) * np.arange(1, 13), generator.uniform(size=(60, 2))
    kept = generator.uniform(size=60) < 0.8
    inner = np.zeros((60, 60))
    inner[np.ix_(kept, kept)] = neighbor_graph(points[kept]).toarray()
    forms = [kept_spots(kept), kept_graph(points, kept)]
    found = leading_components([Block(values, forms), Block(values[:30], [w[:30, :30] for w in forms], 0.5)], 3)
    for own, w in zip(found, (np.diag(kept.astype(float)), inner), strict=True):
        matrix = values.T @ w @ values + 0.5 * values[:30].T @ w[:30, :30] @ values[:30]
        expected = np.linalg.eigh(matrix)[1][:, ::-1][:, :3]
        np.testing.assert_allclose(np.abs(own.T @ expected), np.eye(3), atol=1e-4)
    _, expected = np.linalg.eigh(values.T @ values)
    np.testing.assert_allclose(
        np.abs(principal_components(values, 3).T @ expected[:, ::-1][:, :3]), np.eye(3), atol=1e-4
    )


def test_neighbor_graph_averages_neighbors_without_self() -> None:
    graph = neighbor_graph(np.random.default_rng(1).uniform(size=(40, 2)), 5).toarray()
    assert (np.diag(graph) == 0).all()
    np.testing.assert_allclose(graph, graph.T)
    assert graph.sum() == pytest.approx(40)


@pytest.mark.parametrize("kind", ["pca", "spatial"])
def test_encoding_is_the_formula_and_repeats(tissue, kind: str) -> None:
    normalization = Normalization(1000.0, "log1p")
    encoder = ComponentEncoder.fit(tissue.slides[:2], n_components=7, kind=kind, normalization=normalization)
    assert isinstance(encoder, Encoder)
    values = center(normalize_expression(tissue.slides[2], normalization))
    expected = values @ encoder.components.numpy() / encoder.scale
    found = encoder.encode(tissue.slides[2])
    assert found.shape == (100, 7)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-4)
    again = ComponentEncoder.from_state(encoder.state())
    assert torch.equal(again.encode(tissue.slides[2]), found)
    same = ComponentEncoder.fit(tissue.slides[:2], n_components=7, kind=kind, normalization=normalization)
    assert torch.equal(same.components, encoder.components)


def test_encoding_ignores_depth_gene_order_and_coordinates(tissue) -> None:
    encoder = ComponentEncoder.fit(tissue.slides[:2], n_components=5, kind="spatial", normalization=Normalization())
    slide = tissue.slides[2]
    expected = encoder.encode(slide)
    deeper = dataclasses.replace(slide, counts=slide.counts * np.float32(3))
    torch.testing.assert_close(encoder.encode(deeper), expected, rtol=1e-4, atol=1e-4)
    shuffled = slide.subset_genes(tuple(reversed(slide.genes)))
    torch.testing.assert_close(encoder.encode(shuffled), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(encoder.encode(dataclasses.replace(slide, pos=None)), expected)


def noisy(seed: int, n: int = 60) -> Slide:
    """A slide of pure noise: an honest embedding of it has no advantage on its own training spots."""
    generator = np.random.default_rng(seed)
    counts = generator.poisson(2.0, size=(n, 400)).astype(np.float32)
    from scipy.sparse import csr_array

    genes, cells = tuple(f"g{i}" for i in range(400)), tuple(f"s{i}" for i in range(n))
    return Slide(f"noise_{seed}", csr_array(counts), genes, cells, generator.uniform(size=(n, 2)))


@pytest.mark.parametrize("count", [1, 2])
def test_cross_fitting_makes_training_slides_as_sharp_as_new_ones(count: int) -> None:
    slides = [noisy(seed) for seed in range(count)]
    encoder, crossed = ComponentEncoder.fit_transform(slides, n_components=8, kind="pca", normalization=Normalization())
    own = torch.cat([encoder.encode(slide) for slide in slides]).std()
    new = encoder.encode(noisy(99)).std()
    fitted = torch.cat(crossed).std()
    assert own > 1.5 * new
    assert 0.75 < fitted / new < 1.25


def test_bad_fits_are_refused(tissue) -> None:
    with pytest.raises(ValueError, match="expected at least one training slide"):
        ComponentEncoder.fit([], n_components=3, kind="pca", normalization=Normalization())
    with pytest.raises(ValueError, match="expected components among pca, spatial, found 'ica'"):
        ComponentEncoder.fit(tissue.slides[:1], n_components=3, kind="ica", normalization=Normalization())
    with pytest.raises(InputError, match="expected n_components to be a whole number above 0, found 0; give one"):
        ComponentEncoder.fit(tissue.slides[:1], n_components=0, kind="pca", normalization=Normalization())


def test_shallow_cells_are_averaged_with_their_neighbors() -> None:
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert smooth_shallow(x, 0.5) is x
    assert smooth_shallow(x, 2.0) is x
    found = smooth_shallow(x, 0.25)
    unit = torch.nn.functional.normalize(x, dim=1)
    near = (unit @ unit.T).fill_diagonal_(-9).topk(12, dim=1).indices
    torch.testing.assert_close(found, 0.5 * x + 0.5 * x[near].mean(dim=1))


def test_shallow_cells_borrow_from_their_neighbors_only_when_asked_to(tissue) -> None:
    encoder = ComponentEncoder.fit(tissue.slides[:2], n_components=5, kind="pca", normalization=Normalization())
    slide = tissue.slides[2]
    thin = dataclasses.replace(slide, counts=slide.counts / np.float32(100))
    embedded = encoder.embed(thin)
    torch.testing.assert_close(embedded.x, encoder.encode(slide), rtol=1e-3, atol=1e-3)  # normalised: no depth in it
    ratio = encoder.depth_ratio(thin)
    lent = encoder.borrow(embedded, ratio)
    torch.testing.assert_close(lent.x, smooth_shallow(embedded.x, ratio))
    torch.testing.assert_close(lent.features, lent.x)
    assert not torch.allclose(lent.x, embedded.x)
    assert torch.equal(encoder.borrow(embedded, 0.5).x, embedded.x)


def test_learned_encoder_embeds_what_its_front_has_borrowed(tissue) -> None:
    front = ComponentEncoder.fit(tissue.slides[:2], n_components=5, kind="pca", normalization=Normalization())
    network = ExpressionNetwork(5, 4, residual=True, generator=torch.Generator().manual_seed(0))
    encoder = LearnedEncoder(front, [network], [torch.eye(4)], 1.0)
    embedded = encoder.embed(tissue.slides[2])
    assert encoder.borrow(embedded, 0.5) is embedded
    lent = encoder.borrow(embedded, 0.1)
    torch.testing.assert_close(lent.features, smooth_shallow(embedded.features, 0.1))
    torch.testing.assert_close(lent.x, encoder.embed_features(lent.features).x)
    centred, _ = CenteredGenes.fit_transform(tissue.slides[:2], normalization=Normalization())
    raw = centred.embed(tissue.slides[2])
    assert centred.borrow(raw, 0.1) is raw  # genes one by one have no neighbours to speak of


@pytest.mark.parametrize("kind", ["pca", "spatial"])
def test_leading_value_is_the_largest_eigenvalue(kind: str) -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=(50, 8))
    points, kept = generator.uniform(size=(50, 2)), np.ones(50, dtype=bool)
    w = kept_graph(points, kept) if kind == "spatial" else kept_spots(kept)
    matrix = 0.3 * values.T @ (w @ values)
    found = leading_value([Block(values, [w, w * 2], 0.3)])
    assert found == pytest.approx(np.linalg.eigvalsh((matrix + matrix.T) / 2).max(), rel=1e-6)


@pytest.mark.parametrize("kind", ["pca", "spatial"])
def test_few_spots_give_fewer_components_not_an_error(kind: str) -> None:
    slide = simulate_tissue("gradient", slides=1, cells=30, seed=0, spots=30, genes=60).slides[0]
    encoder, crossed = ComponentEncoder.fit_transform(
        [slide], n_components=40, kind=kind, normalization=Normalization()
    )
    kept = len(slide) - -(-len(slide) // 5)
    assert encoder.out_channels == crossed[0].shape[1] == kept - 1
    assert torch.isfinite(crossed[0]).all()
