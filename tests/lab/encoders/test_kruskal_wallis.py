from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import kruskal

from pyg_gears.lab.encoders.kruskal_wallis import kruskal_wallis


def expression(genes: int = 30, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts full of ties, a third of the genes shifted between slides of unequal size."""
    generator = np.random.default_rng(seed)
    label = np.repeat([0, 1, 2], [25, 40, 15])
    rate = np.where((np.arange(genes) % 3 == 0) & (label[:, None] == 1), 3.0, 1.0)
    return generator.poisson(rate).astype(np.float64), label


def test_it_is_the_test_gene_by_gene() -> None:
    values, label = expression()
    found = kruskal_wallis(csr_array(values), label)
    for gene in range(values.shape[1]):
        expected = kruskal(*(values[label == slide, gene] for slide in range(3)))
        assert found.statistic[gene] == pytest.approx(expected.statistic, rel=1e-9)
        assert found.p[gene] == pytest.approx(expected.pvalue, rel=1e-9)
    np.testing.assert_allclose(found.effect, found.statistic / 79)
    assert ((found.q <= 0.05) == (np.arange(30) % 3 == 0)).mean() > 0.9


def test_many_genes_in_parts_and_dense_or_sparse(monkeypatch) -> None:
    import pyg_gears.lab.encoders.kruskal_wallis as module

    values, label = expression()
    whole = kruskal_wallis(values, [f"s{i}" for i in label])
    monkeypatch.setattr(module, "GENES_AT_ONCE", 7)
    for part, all_at_once in zip(kruskal_wallis(csr_array(values), label), whole, strict=True):
        np.testing.assert_allclose(part, all_at_once)


def test_false_discovery_rate_is_the_step_up_rule() -> None:
    values, label = expression(seed=2)
    found = kruskal_wallis(values, label)
    order = np.argsort(found.p)
    m = len(order)
    expected = np.empty(m)
    for place, gene in enumerate(order):
        expected[gene] = min(min(1.0, found.p[order[j]] * m / (j + 1)) for j in range(place, m))
    np.testing.assert_allclose(found.q, expected)


def test_constant_genes_are_never_called_and_do_not_count() -> None:
    values, label = expression()
    more = np.concatenate([values, np.full((80, 50), 4.0)], axis=1)
    found, alone = kruskal_wallis(more, label), kruskal_wallis(values, label)
    assert (found.p[30:] == 1).all()
    assert (found.q[30:] == 1).all()
    np.testing.assert_allclose(found.q[:30], alone.q)
    assert (kruskal_wallis(np.ones((80, 2)), label).q == 1).all()


def test_order_of_magnitude_does_not_matter() -> None:
    values, label = expression()
    np.testing.assert_allclose(kruskal_wallis(np.exp(values), label).p, kruskal_wallis(values, label).p)


def test_bad_input() -> None:
    values, label = expression()
    with pytest.raises(ValueError, match=r"labels of 1 slide"):
        kruskal_wallis(values, np.zeros(80))
    with pytest.raises(ValueError, match=r"each of 80 spots, found 79 labels"):
        kruskal_wallis(values, label[1:])
