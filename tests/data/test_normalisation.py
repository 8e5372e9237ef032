from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data.normalisation import is_integer, normalisation


@pytest.fixture
def counts() -> np.ndarray:
    rng = np.random.default_rng(2)
    values = rng.poisson(rng.gamma(0.5, 3, 200) * rng.uniform(0.3, 3, (120, 1))).astype(np.float64)
    values[:, 0] += 1
    return values


def named(values: np.ndarray) -> str | None:
    table = csr_array(values.astype(np.float32))
    table.eliminate_zeros()
    return normalisation(table)


def share(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=1, keepdims=True)


NORMALISATIONS = {
    "ln of 10^4": (lambda x: np.log1p(1e4 * share(x)), "log-normalised values"),
    "ln of the median": (lambda x: np.log1p(np.median(x.sum(1)) * share(x)), "log-normalised values"),
    "ln of counts": (np.log1p, "log-normalised values"),
    "half precision": (lambda x: np.log1p(1e4 * share(x)).astype(np.float16), "log-normalised values"),
    "log2": (lambda x: np.log2(1 + 1e6 * share(x)), "log2-normalised values"),
    "log10": (lambda x: np.log10(1 + 1e4 * share(x)), "log10-normalised values"),
    "per million": (lambda x: 1e6 * share(x), "values scaled to one total in every row"),
    "share": (share, "values scaled to one total in every row"),
    "root": (np.sqrt, "roots of counts"),
    "root of shares": (lambda x: np.sqrt(1e4 * share(x)), "roots of counts"),
}


@pytest.mark.parametrize("kind", NORMALISATIONS)
@pytest.mark.parametrize("genes", [slice(None), slice(0, 60)], ids=["all genes", "genes left out afterwards"])
def test_normalised_counts_are_known_by_their_values(counts: np.ndarray, kind: str, genes: slice) -> None:
    function, name = NORMALISATIONS[kind]
    assert named(function(counts)[:, genes]) == name


@pytest.mark.parametrize("cells", [3, 10])
def test_a_few_cells_with_all_their_genes_are_enough(counts: np.ndarray, cells: int) -> None:
    assert named(np.log1p(1e4 * share(counts))[:cells]) == "log-normalised values"


def test_roots_of_a_table_of_few_genes_are_known(counts: np.ndarray) -> None:
    assert named(np.sqrt(counts[:, :3])) == "roots of counts"


CORRECTIONS = {
    "as they are": lambda x, rng: x,
    "ambient expression taken off": lambda x, rng: np.maximum(
        x - 0.1 * x.sum(1, keepdims=True) * x.sum(0) / x.sum(), 0
    ),
    "a share of each entry kept": lambda x, rng: x * rng.beta(20, 2, x.shape),
    "halves of reads that match two genes": lambda x, rng: x + 0.5 * (rng.random(x.shape) < 0.05) * (x > 0),
    "mean of two": lambda x, rng: (x + np.roll(x, 1, axis=0)) / 2,
    "all times one factor": lambda x, rng: 0.87 * x,
    "smoothed over neighbours": lambda x, rng: sum(w * np.roll(x, k, axis=0) for k, w in enumerate((0.5, 0.3, 0.2))),
    "continuous measurements": lambda x, rng: rng.gamma(2.0, 1.0, x.shape),
    "tiny ones": lambda x, rng: 1e-4 * rng.gamma(2.0, 1.0, x.shape),
}


@pytest.mark.parametrize("kind", CORRECTIONS)
@pytest.mark.parametrize("genes", [slice(None), slice(0, 60), slice(0, 6)])
def test_corrected_counts_and_measurements_are_left_alone(counts: np.ndarray, kind: str, genes: slice) -> None:
    assert named(CORRECTIONS[kind](counts, np.random.default_rng(3))[:, genes]) is None


def test_whole_numbers_may_have_passed_through_a_float() -> None:
    assert is_integer(csr_array([[3.0, 2.9999998], [0.0, 70000.0005]]))
    assert not is_integer(csr_array([[3.0, 2.99]]))
    assert not is_integer(csr_array([[1e-5, 2e-5]]))
    assert not is_integer(csr_array([[123456.5, 1.0]]))
