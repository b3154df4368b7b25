"""A Gaussian process as a surrogate: scikit-learn's, on at most 200 networks, for its cost grows with their cube."""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from zoo.surrogates.model import Array, Predict

MOST = 200
"""Networks it learns from: the better half of them the best known, the others drawn from the rest."""


def fit_gaussian_process(features: Array, quality: Array, seed: int) -> Predict:
    """A Matérn kernel (ν = 5/2) of one length on standardised features, plus noise; both fitted by likelihood."""
    from sklearn.exceptions import ConvergenceWarning  # here: as for the forest
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    features, quality = _thinned(features, quality, seed)
    center, spread = features.mean(axis=0), features.std(axis=0)
    used = spread > 0
    if not used.any():
        return lambda wanted: (np.full(len(wanted), quality.mean()), np.full(len(wanted), quality.std()))
    length = float(np.sqrt(used.sum()))
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(length, (length / 30, length * 30), nu=2.5) + WhiteKernel(
        0.1, (1e-4, 1e1)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
    with _one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound is an answer
        process.fit((features[:, used] - center[used]) / spread[used], quality)

    def predict(wanted: Array) -> tuple[Array, Array]:
        with _one_thread():
            mean, deviation = process.predict((wanted[:, used] - center[used]) / spread[used], return_std=True)
        return mean, deviation

    return predict


def _one_thread() -> Any:
    """Within it linear algebra has one thread, so that equal arguments give equal bits."""
    return _libraries().limit(limits=1)


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """Those that have threads: to look for them takes milliseconds, as long as a prediction."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _thinned(features: Array, quality: Array, seed: int) -> tuple[Array, Array]:
    if len(quality) <= MOST:
        return features, quality
    order = np.argsort(-quality, kind="stable")
    others = np.random.default_rng(seed).choice(order[MOST // 2 :], MOST - MOST // 2, replace=False)
    kept = np.sort(np.concatenate([order[: MOST // 2], others]))
    return features[kept], quality[kept]
