from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.encoders.domain_distances import coral, covariance, mmd
from pyg_gears.encoders.single_cell_adapter import AdapterWeights, SCAdapter, adapter_objective, shrunk_covariance


def domains(m: int = 400, n: int = 300, c: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells and spots of the same shape up to an affine map."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.eye(c) + 0.4 * torch.randn(c, c, generator=generator)
    cells = torch.randn(m, c, generator=generator) @ mix + 0.5
    return cells, torch.randn(n, c, generator=generator) @ (mix.T * 0.6) - 1


def root(matrix: np.ndarray) -> np.ndarray:
    from scipy.linalg import sqrtm

    return np.real(sqrtm(matrix))


def slow_shrunk(x: np.ndarray) -> np.ndarray:
    """Ledoit and Wolf's estimator, row by row."""
    n, c = x.shape
    x = x - x.mean(axis=0)
    sample = sum(np.outer(row, row) for row in x) / n
    target = np.trace(sample) / c * np.eye(c)
    noise = sum(np.linalg.norm(np.outer(row, row) - sample) ** 2 for row in x) / n**2
    share = np.clip(noise / np.linalg.norm(sample - target) ** 2, 0.01, 1)
    return (1 - share) * sample + share * target


@pytest.mark.parametrize("n", [5, 30, 4000])
def test_shrunk_covariance_is_the_formula(n: int) -> None:
    x = domains(m=n)[0]
    found = shrunk_covariance(x).numpy()
    np.testing.assert_allclose(found, slow_shrunk(x.double().numpy()), rtol=1e-12, atol=1e-14)


def test_the_closed_form_is_the_formula() -> None:
    cells, spots = domains()
    sc, stc = slow_shrunk(cells.double().numpy()), slow_shrunk(spots.double().numpy())
    inverse = np.linalg.inv(root(sc))
    weight = root(stc) @ inverse
    adapter = SCAdapter.fit(cells, spots, steps=0)
    np.testing.assert_allclose(adapter.weight, weight, rtol=1e-4, atol=1e-5)
    bias = spots.double().numpy().mean(axis=0) - weight @ cells.double().numpy().mean(axis=0)
    np.testing.assert_allclose(adapter.bias, bias, rtol=1e-4, atol=1e-5)


def test_the_closed_form_matches_mean_and_covariance() -> None:
    cells, spots = domains(m=5000, n=5000)
    mapped = SCAdapter.fit(cells, spots, steps=0)(cells)
    torch.testing.assert_close(mapped.mean(dim=0), spots.mean(dim=0), rtol=0, atol=1e-4)
    # The least shrinkage of 1 % on both sides is all that is left.
    assert float((covariance(mapped) - covariance(spots)).norm() / covariance(spots).norm()) < 0.02


def test_refining_lowers_the_objective_and_the_distances() -> None:
    cells, spots = domains()
    cells = cells.sign() * cells.abs().sqrt()
    objective = {steps: adapter_objective(SCAdapter.fit(cells, spots, steps=steps), cells, spots) for steps in (0, 60)}
    before = adapter_objective(SCAdapter(4), cells, spots)
    assert objective[60].total <= objective[0].total
    assert objective[60].mmd < before.mmd / 5
    assert objective[60].coral < before.coral / 5


def test_a_refinement_that_hurts_is_not_kept() -> None:
    cells, spots = domains()
    closed = SCAdapter.fit(cells, spots, steps=0)
    # Ten steps of size 5 end far away.
    kept = SCAdapter.fit(cells, spots, steps=10, lr=5.0)
    assert torch.equal(kept.weight, closed.weight)
    assert torch.equal(kept.bias, closed.bias)


def test_objective_is_the_formula() -> None:
    cells, spots = domains(m=20, n=15)
    adapter = SCAdapter.fit(cells, spots, steps=0)
    found = adapter_objective(adapter, cells, spots, AdapterWeights(2.0, 3.0, 5.0), bandwidths=(1.0, 2.0))
    mapped = cells @ adapter.weight.T + adapter.bias
    terms = coral(mapped, spots), mmd(mapped, spots, (1.0, 2.0)), ((mapped - cells) ** 2).sum(dim=1).mean() / 4
    assert found[:3] == pytest.approx([float(term) for term in terms], rel=1e-6)
    assert found.total == pytest.approx(2 * found.coral + 3 * found.mmd + 5 * found.identity)


def test_the_published_weights_differ_in_the_identity() -> None:
    assert AdapterWeights.published() == (10.0, 10.0, 1.0)
    assert AdapterWeights() == (10.0, 10.0, 0.1)


def test_a_heavy_identity_keeps_points_in_place() -> None:
    cells, spots = domains()
    light, heavy = (
        adapter_objective(
            SCAdapter.fit(cells, spots, weights=AdapterWeights(identity=w), steps=60, lr=1e-2), cells, spots
        )
        for w in (0.01, 10.0)
    )
    assert heavy.identity < 0.8 * light.identity
    assert light.mmd < heavy.mmd


@settings(deadline=None, max_examples=15)
@given(m=st.integers(2, 8), dead=st.integers(0, 3), seed=st.integers(0, 1000))
def test_few_cells_and_dead_channels_give_a_finite_bounded_map(m: int, dead: int, seed: int) -> None:
    cells, spots = domains(m=m, n=50, seed=seed)
    cells[:, :dead] = 0.25
    adapter = SCAdapter.fit(cells, spots, steps=3)
    assert torch.isfinite(adapter.weight).all()
    assert torch.isfinite(adapter.bias).all()
    # The inverse root of a covariance shrunk by at least 1 % is at most 10 over the RMS deviation.
    variance = torch.var(cells, dim=0, correction=0).mean()
    largest = torch.linalg.eigvalsh(shrunk_covariance(spots)).max().sqrt()
    assert float(torch.linalg.matrix_norm(adapter.weight, 2)) <= 10.1 * float(largest / variance.sqrt()) + 0.1


def test_dead_channels_of_both_sides_are_left_alone() -> None:
    cells, spots = domains()
    cells[:, 1], spots[:, 1] = 0.0, 0.0
    mapped = SCAdapter.fit(cells, spots, steps=30)(cells)
    assert float(mapped[:, 1].abs().max()) < 0.3


def test_seed_decides_and_inputs_are_untouched() -> None:
    cells, spots = domains()
    copies = cells.clone(), spots.clone()
    first, again, other = (SCAdapter.fit(cells, spots, steps=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(cells, copies[0])
    assert torch.equal(spots, copies[1])


def test_state_goes_through_a_dictionary() -> None:
    cells, spots = domains()
    adapter = SCAdapter.fit(cells, spots, steps=5)
    again = SCAdapter.from_state_dict(adapter.state_dict())
    assert torch.equal(again(cells), adapter(cells))
    assert not again.training
    assert repr(again) == "SCAdapter(4)"
    assert again(cells).dtype == torch.float32
    assert list(adapter.parameters()) == []


def test_a_new_adapter_is_the_identity() -> None:
    cells, _ = domains()
    assert torch.equal(SCAdapter(4)(cells), cells)


def test_bad_input() -> None:
    cells, spots = domains()
    with pytest.raises(ValueError, match=r"expected cells and spots with the same channels, found shapes \(400, 4\)"):
        SCAdapter.fit(cells, spots[:, :3])
    with pytest.raises(ValueError, match="expected at least two spots that differ, found 1"):
        SCAdapter.fit(cells, spots[:1])
    with pytest.raises(ValueError, match="expected at least two cells that differ, found 400"):
        SCAdapter.fit(torch.ones_like(cells), spots)
    with pytest.raises(ValueError, match="expected finite values in cells, found NaN"):
        SCAdapter.fit(cells / 0, spots)
    with pytest.raises(ValueError, match="expected steps >= 0, found -1"):
        SCAdapter.fit(cells, spots, steps=-1)
    with pytest.raises(ValueError, match="expected 4 channels, found 3"):
        SCAdapter(4)(spots[:, :3])
