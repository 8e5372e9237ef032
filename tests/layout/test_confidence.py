from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pyg_gears.errors import InputError
from pyg_gears.layout import ConfidenceCalibration, row_spearman


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 999))
def test_confidence_falls_and_stays_in_range(n, seed):
    rng = np.random.default_rng(seed)
    fitted = ConfidenceCalibration.fit(rng.integers(0, 8, n) / 8, rng.normal(size=n))
    value = fitted.predict(np.linspace(-1, 2, 200))
    assert (np.diff(value) <= 0).all()
    assert value.min() >= 0
    assert value.max() <= 1
    assert fitted.calibrated


def test_the_level_is_the_quality_that_was_seen():
    rng = np.random.default_rng(0)
    scatter = rng.random(5000)
    quality = 0.9 - 0.6 * scatter + 0.1 * rng.standard_normal(5000)
    fitted = ConfidenceCalibration.fit(scatter, quality)
    assert np.abs(fitted.predict(np.array([0.2, 0.5, 0.8])) - np.array([0.78, 0.6, 0.42])).max() < 0.04


def test_state_travels_through_json():
    fitted = ConfidenceCalibration.fit(np.array([0.1, 0.2, 0.5]), np.array([0.9, 0.4, 0.6]))
    assert ConfidenceCalibration.from_state_dict(json.loads(json.dumps(fitted.state_dict()))) == fitted
    # "spread" is the key of every release's models.
    assert fitted.state_dict()["spread"] == list(fitted.scatter)
    blank = ConfidenceCalibration()
    assert ConfidenceCalibration.from_state_dict(blank.state_dict()) == blank


def test_without_validation_it_is_the_documented_formula():
    assert not ConfidenceCalibration().calibrated
    assert np.allclose(ConfidenceCalibration().predict(np.array([0.0, 0.25])), [1.0, np.exp(-1)])


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"one scatter and one quality per cell, found shapes \(3,\) and \(2,\)"):
        ConfidenceCalibration.fit(np.zeros(3), np.zeros(2))
    with pytest.raises(InputError, match="finite scatter and quality, found 1 cells without"):
        ConfidenceCalibration.fit(np.array([np.nan]), np.zeros(1))
    with pytest.raises(InputError, match="two layouts of one shape"):
        row_spearman(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        row_spearman(np.zeros((3, 2)), np.zeros((3, 2)), seed=-1)


def test_row_spearman_is_spearman_of_each_row():
    rng = np.random.default_rng(0)
    pos, truth = rng.standard_normal((2, 40, 2))
    pos[3] = pos[7]  # ties
    chosen = np.sort(np.random.default_rng(5).permutation(40)[:25])
    found = row_spearman(pos, truth, sample=25, seed=5)
    for i in range(40):
        other = chosen[chosen != i]
        slow = spearmanr(np.linalg.norm(pos[other] - pos[i], axis=1), np.linalg.norm(truth[other] - truth[i], axis=1))
        assert np.isclose(found[i], slow.statistic)
    assert np.allclose(row_spearman(truth, 3 * truth[:, ::-1] + 1), 1.0)
    assert row_spearman(np.zeros((5, 2)), truth[:5]).tolist() == [0.0] * 5
