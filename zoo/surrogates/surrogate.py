"""The surrogate of a search: which model, when it is fitted again, and what it predicts of networks not yet trained."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from zoo.purposes import SURROGATE
from zoo.spaces.features import Features
from zoo.surrogates.forest import fit_forest
from zoo.surrogates.gaussian_process import fit_gaussian_process
from zoo.surrogates.model import Array, Fit, Predict

Kind = Literal["auto", "forest", "gp"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MODELS: dict[str, Fit] = {"forest": fit_forest, "gp": fit_gaussian_process}
GROWTH = 9 / 8
"""By how much the trainings must have grown for another fit."""
FOLDS = 5


class Surrogate:
    """Predicts the quality of networks, on a scale of its own, from those trained so far.

    The scale is by default that of normal scores of their ranks, since the worst networks would otherwise decide where
    a model splits. It is fitted when something is to
    be predicted and the trainings have grown by an eighth since the last fit; ``auto`` chooses its model anew when
    they have doubled, by the rank correlation of five-fold cross-validation.

    Args:
        kind: forest, gp (a Gaussian process), or auto, which chooses between them.
        seed: of the models.
        scale: from (N,) qualities to what models learn; None: normal scores.

    Raises:
        ValueError: for an unknown kind or a negative seed.
    """

    def __init__(self, kind: Kind, seed: int, scale: Callable[[Array], Array] | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"a surrogate is one of {', '.join(KINDS)}, got {kind!r}")
        if seed < 0:
            raise ValueError(f"the seed must not be negative, got {seed}")
        self._kind, self._seed, self._scale = kind, seed, scale or normal_scores
        self._held: tuple[int, Sequence[Features], Array] | None = None
        self._compared: tuple[int, Sequence[Features], Array] | None = None  # what the model is chosen by
        self._chosen: str | None = None
        self._predict: Predict | None = None
        self._columns: dict[str, int] = {}
        self.fits = 0
        """Models fitted so far, those of cross-validation included."""

    def due(self, trainings: int) -> bool:
        """Whether so many trainings are enough more than what it has learned from."""
        return self._held is None or trainings >= GROWTH * self._held[0]

    def learn(self, trainings: int, networks: Sequence[Features], quality: Array) -> None:
        """Take what is known, if there is enough more of it than what was taken before.

        Args:
            trainings: how many have been told so far, of any kind.
            networks: features of the networks trained so far.
            quality: (N,) of each, in any unit; more is better.
        """
        if not self.due(trainings):
            return
        data = (trainings, tuple(networks), np.array(quality, dtype=np.float64))
        self._held, self._predict = data, None
        if self._compared is None or trainings >= 2 * self._compared[0]:
            self._compared, self._chosen = data, None

    def predict(self, networks: Sequence[Features]) -> tuple[Array, Array]:
        """Means and standard deviations (N,) of networks' quality, on the scale.

        Raises:
            ValueError: if nothing was learned yet.
        """
        if self._held is None:
            raise ValueError("a surrogate predicts after it has learned, not before")
        if self._predict is None:
            trainings, known, quality = self._held
            fit = MODELS[self.model]
            self._columns = columns(known)
            self._predict = fit(matrix(known, self._columns), self._scale(quality), self._state(trainings))
            self.fits += 1
        return self._predict(matrix(networks, self._columns))

    @property
    def model(self) -> str:
        """The model in use."""
        if self._kind != "auto":
            return self._kind
        if self._chosen is None:
            assert self._compared is not None
            trainings, known, quality = self._compared
            table = matrix(known, columns(known))
            agreement = {
                name: cross_validated(fit, table, self._scale(quality), self._state(trainings))
                for name, fit in MODELS.items()
            }
            self.fits += FOLDS * len(MODELS)
            self._chosen = max(MODELS, key=lambda name: agreement[name])  # the first of equals
        return self._chosen

    def _state(self, trainings: int) -> int:
        return int(np.random.default_rng((self._seed, trainings, SURROGATE)).integers(2**31))


def cross_validated(fit: Fit, features: Array, quality: Array, seed: int) -> float:
    """Spearman's correlation of quality with what models predict that did not see it; -1 where it is undefined."""
    from scipy.stats import rankdata

    if len(quality) < 2 * FOLDS:
        return -1.0
    fold = np.random.default_rng(seed).permutation(len(quality)) % FOLDS
    predicted = np.empty(len(quality))
    for i in range(FOLDS):
        predicted[fold == i] = fit(features[fold != i], quality[fold != i], seed)(features[fold == i])[0]
    x, y = rankdata(predicted), rankdata(quality)
    return float(np.corrcoef(x, y)[0, 1]) if x.std() and y.std() else -1.0


def normal_scores(values: Array) -> Array:
    """Quantiles of the normal distribution at the ranks of values, equal ones alike: of mean 0, whatever the unit."""
    from scipy.stats import norm, rankdata

    scores: Array = norm.ppf((rankdata(values) - 0.5) / len(values))
    return scores


def columns(networks: Sequence[Features]) -> dict[str, int]:
    """A column for every feature that some network has, in the order of their names."""
    return {name: i for i, name in enumerate(sorted({name for one in networks for name in one}))}


def matrix(networks: Sequence[Features], columns: dict[str, int]) -> Array:
    """Networks × columns; what no column is for is left out."""
    table = np.zeros((len(networks), len(columns)))
    for row, one in zip(table, networks, strict=True):
        for name, value in one.items():
            if (place := columns.get(name)) is not None:
                row[place] = value
    return table
