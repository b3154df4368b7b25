"""A random forest as a surrogate: scikit-learn's, with the spread of its trees as its uncertainty."""

import numpy as np

from zoo.surrogates.model import Array, Predict

TREES = 100


def fit_forest(features: Array, quality: Array, seed: int) -> Predict:
    """Regression trees on bootstrap samples, every feature a candidate at every split (Breiman 2001).

    All features, since few of the many path counts matter: thirds of them rank clearly worse on NAS-Bench-201.
    """
    from sklearn.ensemble import RandomForestRegressor  # here: half a second that a search without it need not pay

    forest = RandomForestRegressor(TREES, random_state=seed, n_jobs=1)
    forest.fit(features, quality)

    def predict(features: Array) -> tuple[Array, Array]:
        wanted = np.ascontiguousarray(features, dtype=np.float32)  # what trees compare in
        each = np.stack([tree.predict(wanted, check_input=False) for tree in forest.estimators_])
        return each.mean(axis=0), each.std(axis=0)

    return predict
