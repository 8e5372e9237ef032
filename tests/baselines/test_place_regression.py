from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.baselines import PlaceRegression, place_regression
from pyg_gears.errors import InputError


def slides(seed=0, count=2, spots=60, channels=5, noise=0.05):
    """Places in a frame of each slide's own, and an embedding that is a smooth function of them."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((2, channels))
    found = []
    for number in range(count):
        place = rng.random((spots, 2)) * [3.0, 2.0]
        x = np.tanh((place - place.mean(0)) @ mixing) + noise * rng.standard_normal((spots, channels))
        turn, _ = np.linalg.qr(rng.standard_normal((2, 2)))
        found.append((torch.from_numpy(x).float(), torch.from_numpy((10**number) * place @ turn + 5)))
    return found


def gauge(pos):
    centred = pos - pos.mean(axis=0)
    return centred / np.sqrt((centred**2).sum(axis=1).mean())


def slow_nearest(x, pos, query, count=20):
    place = []
    for one in query:
        cosine = [one @ other / np.sqrt((one @ one) * (other @ other)) for other in x]
        place.append(pos[np.argsort(cosine)[::-1][:count]].mean(axis=0))
    return np.array(place)


def slow_kernel_ridge(x, pos, query):
    x, query = x / np.sqrt((x**2).mean()), query / np.sqrt((x**2).mean())

    def kernel(a, b):
        return np.array([[np.exp(-0.15 * ((i - j) ** 2).sum() / x.shape[1]) for j in b] for i in a])

    return kernel(query, x) @ np.linalg.inv(kernel(x, x) + np.eye(len(x))) @ pos


@pytest.mark.parametrize(("kind", "slow"), [("knn", slow_nearest), ("kernel_ridge", slow_kernel_ridge)])
def test_one_slide_is_the_formula(kind, slow, monkeypatch):
    monkeypatch.setattr(place_regression, "CHUNK", 60 * 7)  # several chunks
    (x, pos), (query, _) = slides()
    found = PlaceRegression.fit(kind, [(x, pos)]).layout(query)
    expected = slow(x.double().numpy(), gauge(pos.numpy()), query.double().numpy())
    assert found.dtype == np.float64
    assert np.allclose(found, gauge(expected), atol=1e-5)


@pytest.mark.parametrize("kind", place_regression.KINDS)
def test_frames_of_the_slides_do_not_matter(kind):
    known, query = slides(), slides(seed=1)[0][0]
    turned = [known[0], (known[1][0], known[1][1].flip(1) * 3 - 8)]
    found, again = (PlaceRegression.fit(kind, one).layout(query) for one in (known, turned))
    assert np.allclose(found, again, atol=1e-5)


@pytest.mark.parametrize("kind", place_regression.KINDS)
def test_a_second_slide_helps(kind):
    truth = slides(seed=0, count=9, noise=0.7)
    query, place = truth[-1]
    distance = torch.pdist(place).numpy()

    def agreement(count):
        layout = torch.from_numpy(PlaceRegression.fit(kind, truth[:count]).layout(query))
        return np.corrcoef(torch.pdist(layout).numpy(), distance)[0, 1]

    assert agreement(8) > agreement(1) + 0.02


def test_a_large_slide_is_thinned_by_the_seed_for_the_kernel_ridge_alone(monkeypatch):
    monkeypatch.setattr(place_regression, "MAX_SPOTS", 40)
    known = slides()
    one, same, other = (PlaceRegression.fit("kernel_ridge", known, seed=seed) for seed in (0, 0, 1))
    assert [len(x) for x in one.x] == [40, 40]
    assert torch.equal(one.x[0], same.x[0])
    assert not torch.equal(one.x[0], other.x[0])
    # Places stay those of the whole slide's gauge.
    assert not np.isclose(one.pos[0].square().sum(1).mean().item(), 1.0, atol=1e-6)
    assert [len(x) for x in PlaceRegression.fit("knn", known).x] == [60, 60]


def test_the_state_gives_the_same_layout():
    known, query = slides(), slides(seed=1)[0][0]
    for kind in place_regression.KINDS:
        fitted = PlaceRegression.fit(kind, known)
        again = PlaceRegression.from_state_dict(fitted.state_dict())
        assert np.array_equal(fitted.layout(query), again.layout(query))


@pytest.mark.parametrize("kind", place_regression.KINDS)
def test_every_slide_is_fitted_once_however_often_cells_are_laid_out(kind, monkeypatch):
    name = "_nearest" if kind == "knn" else "_kernel_ridge"
    fit, fits = getattr(place_regression, name), []
    monkeypatch.setattr(place_regression, name, lambda x, pos: fits.append(len(x)) or fit(x, pos))
    known, (query, _) = slides(), slides(seed=1)[0]
    fitted = PlaceRegression.fit(kind, known)
    first, second = fitted.layout(query), fitted.layout(query)
    assert fits == [60, 60]
    assert np.array_equal(first, second)


def test_bad_input_is_reported():
    with pytest.raises(InputError, match="expected a kind among knn, kernel_ridge, found 'kn'"):
        PlaceRegression.fit("kn", slides())
    with pytest.raises(InputError, match="expected at least one slide to regress on, found none"):
        PlaceRegression.fit("knn", [])
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        PlaceRegression.fit("knn", slides(), seed=-1)
