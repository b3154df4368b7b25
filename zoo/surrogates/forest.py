"""A random forest as a surrogate: scikit-learn's, with the spread of its trees as its uncertainty."""

from typing import TYPE_CHECKING

import numpy as np

from zoo.surrogates.model import Array, Predict

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

TREES = 100


def fit_forest(features: Array, quality: Array, seed: int) -> Predict:
    """Regression trees on bootstrap samples, every feature a candidate at every split (Breiman 2001).

    All features, since few of the many path counts matter: thirds of them rank clearly worse on NAS-Bench-201.
    """
    from sklearn.ensemble import RandomForestRegressor  # here: half a second that a search without it need not pay

    forest = RandomForestRegressor(TREES, random_state=seed, n_jobs=1)
    forest.fit(features, quality)

    def predict(features: Array) -> tuple[Array, Array]:
        each = votes(forest, features)
        return each.mean(axis=0), each.std(axis=0)

    return predict


def votes(forest: "RandomForestRegressor", features: Array) -> Array:
    """What every tree of a forest says of (N, F) features: (trees, N).

    Without scikit-learn's own checks and threads, which take longer than the trees.
    """
    wanted = np.ascontiguousarray(features, dtype=np.float32)  # what trees compare in
    return np.stack([tree.predict(wanted, check_input=False) for tree in forest.estimators_])
