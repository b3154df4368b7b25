"""Surrogates: what they learn, and how often they are fitted."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.surrogates import Surrogate
from zoo.surrogates import surrogate as module
from zoo.surrogates.gaussian_process import MOST, fit_gaussian_process
from zoo.surrogates.surrogate import FOLDS, columns, matrix


def networks(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.features(space.sample(rng)) for _ in range(count)]


def quality(one):
    """More convolutions are better, with an interaction."""
    return one.get("choice 2", 0) + one.get("choice 1", 0) / 2 - one.get("place 0: 0", 0) * one.get("place 7: 0", 0)


@pytest.mark.parametrize("kind", ["forest", "gp", "auto"])
def test_it_ranks_networks_that_it_has_not_seen(kind):
    known, others = networks(NAS_BENCH_MACRO, 60), networks(NAS_BENCH_MACRO, 200, seed=1)
    model = Surrogate(kind, seed=0)
    model.learn(60, known, np.array([quality(one) for one in known]))
    mean, deviation = model.predict(others)
    assert spearmanr(mean, [quality(one) for one in others]).statistic > 0.7
    assert np.all(deviation >= 0)
    again = Surrogate(kind, seed=0)
    again.learn(60, known, np.array([quality(one) for one in known]))
    assert np.array_equal(again.predict(others)[0], mean)


def test_it_is_fitted_again_when_trainings_have_grown_by_an_eighth(monkeypatch):
    fits = []

    def fit(features, values, seed):
        fits.append(len(values))
        return lambda wanted: (np.zeros(len(wanted)), np.ones(len(wanted)))

    monkeypatch.setattr(module, "MODELS", {"forest": fit, "gp": fit})
    known = networks(NAS_BENCH_MACRO, 500)
    model = Surrogate("forest", seed=0)
    for count in range(16, 501, 4):
        model.learn(count, known[:count], np.arange(count))
        model.predict(known[:2])
    assert all(later >= 9 / 8 * earlier for earlier, later in itertools.pairwise(fits))
    assert model.fits == len(fits) == 25  # ln(500 / 16) / ln(9 / 8) is 29
    auto = Surrogate("auto", seed=0)
    for count in range(16, 501, 4):
        auto.learn(count, known[:count], np.arange(count))
        auto.predict(known[:2])
    assert auto.fits == 2 * 25 + 5 * 2 * FOLDS  # compared at 16, 32, 64, 128 and 256


def erring(error, deviation):
    """What fits models that are wrong by so much, up and down in turn."""

    def fit(features, values, seed):
        def predict(wanted):
            signs = np.where(wanted[:, 0].astype(int) % 2, 1.0, -1.0)
            return wanted[:, 0] + error * signs, np.full(len(wanted), deviation)

        return predict

    return fit


def test_auto_is_a_mixture_in_which_the_better_model_has_more_weight(monkeypatch):
    monkeypatch.setattr(module, "MODELS", {"forest": erring(2.0, 3.0), "gp": erring(1.0, 4.0)})
    known = [{"a": float(i)} for i in range(20)]
    model = Surrogate("auto", seed=0, scale=lambda values: values)
    model.learn(20, known, np.arange(20.0))
    assert model.weights == pytest.approx([1 / 17, 16 / 17])  # of mean squared errors 4 and 1
    mean, deviation = model.predict([{"a": 10.0}])
    assert mean == pytest.approx([10 - (2 + 16) / 17])
    assert deviation == pytest.approx(np.sqrt([(9 + 16 * 16) / 17 + 16 / 17**2]))  # wider than that of the better alone
    few = Surrogate("auto", seed=0, scale=lambda values: values)
    few.learn(9, known[:9], np.arange(9.0))
    assert few.weights.tolist() == [0.5, 0.5]  # too few to tell
    assert few.fits == 0


def test_a_gaussian_process_learns_from_so_many_at_most(monkeypatch):
    from sklearn.gaussian_process import GaussianProcessRegressor

    seen = []

    def fit(self, features, values):
        seen.append(values)
        return self

    monkeypatch.setattr(GaussianProcessRegressor, "fit", fit)
    features = np.random.default_rng(0).random((500, 3))
    fit_gaussian_process(features, np.arange(500.0), 0)
    assert len(seen[0]) == MOST
    assert set(range(400, 500)) <= set(seen[0])  # the best are among them


def test_networks_that_are_all_alike_are_predicted_alike():
    mean, deviation = fit_gaussian_process(np.ones((5, 2)), np.arange(5.0), 0)(np.ones((3, 2)))
    assert mean.tolist() == [2.0] * 3
    assert np.all(deviation > 0)


def test_a_feature_that_nobody_had_is_left_out():
    places = columns([{"b": 1.0}, {"a": 2.0}])
    assert places == {"a": 0, "b": 1}
    assert matrix([{"a": 3.0, "c": 9.0}], places).tolist() == [[3.0, 0.0]]


def test_bad_input():
    with pytest.raises(ValueError, match="one of auto, forest, gp, got 'tree'"):
        Surrogate("tree", 0)
    with pytest.raises(ValueError, match="negative"):
        Surrogate("gp", -1)
    with pytest.raises(ValueError, match="after it has learned"):
        Surrogate("gp", 0).predict([])
