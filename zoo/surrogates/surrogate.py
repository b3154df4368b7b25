"""The surrogate of a search: its models, when they are fitted again, what they predict of networks not yet trained."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from zoo.purposes import SURROGATE
from zoo.spaces.features import Features
from zoo.surrogates.forest import fit_forest
from zoo.surrogates.gaussian_process import fit_gaussian_process
from zoo.surrogates.model import Array, Fit, Predict
from zoo.surrogates.scale import log_gaps

Kind = Literal["auto", "forest", "gp"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MODELS: dict[str, Fit] = {"forest": fit_forest, "gp": fit_gaussian_process}
GROWTH = 9 / 8
"""By how much the trainings must have grown for another fit."""
FOLDS = 5


class Surrogate:
    """Predicts the quality of networks, on a scale of its own, from those trained so far.

    It is fitted when something is to be predicted and the trainings have grown by an eighth since the last fit. Forests
    and Gaussian processes fail on different tables; ``auto`` is a mixture of both, whose spread is wide where they
    disagree. Their weights come from five-fold cross-validation, anew when the trainings have doubled: who errs half
    as much has four times the weight.

    Args:
        kind: forest, gp (a Gaussian process), or auto, which has both.
        seed: of the models.
        scale: from (N,) qualities to what models learn; None: the logarithms of their gaps to the best.

    Raises:
        ValueError: for an unknown kind or a negative seed.
    """

    def __init__(self, kind: Kind, seed: int, scale: Callable[[Array], Array] | None = None) -> None:
        if kind not in KINDS:
            raise ValueError(f"a surrogate is one of {', '.join(KINDS)}, got {kind!r}")
        if seed < 0:
            raise ValueError(f"the seed must not be negative, got {seed}")
        self._models = tuple(MODELS) if kind == "auto" else (kind,)
        self._seed, self._scale = seed, scale or log_gaps
        self._held: tuple[int, Sequence[Features], Array] | None = None
        self._compared: tuple[int, Sequence[Features], Array] | None = None  # what the weights are from
        self._weights: Array | None = None
        self._fitted: list[Predict] = []
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
        self._held, self._fitted = (trainings, tuple(networks), np.array(quality, dtype=np.float64)), []
        if self._compared is None or trainings >= 2 * self._compared[0]:
            self._compared, self._weights = self._held, None

    def predict(self, networks: Sequence[Features]) -> tuple[Array, Array]:
        """Means and standard deviations (N,) of networks' quality, on the scale.

        Raises:
            ValueError: if nothing was learned yet.
        """
        if self._held is None:
            raise ValueError("a surrogate predicts after it has learned, not before")
        if not self._fitted:
            trainings, known, quality = self._held
            self._columns = columns(known)
            table, scaled, state = matrix(known, self._columns), self._scale(quality), self._state(trainings)
            self._fitted = [MODELS[name](table, scaled, state) for name in self._models]
            self.fits += len(self._fitted)
        wanted = matrix(networks, self._columns)
        return mixture([predict(wanted) for predict in self._fitted], self.weights)

    @property
    def weights(self) -> Array:
        """Of the models in the mixture; their sum is 1."""
        if self._weights is None:
            errors = np.ones(len(self._models))
            if len(self._models) > 1:
                assert self._compared is not None
                trainings, known, quality = self._compared
                table, scaled = matrix(known, columns(known)), self._scale(quality)
                if len(quality) >= 2 * FOLDS:
                    state = self._state(trainings)
                    errors = np.array([unseen_error(MODELS[name], table, scaled, state) for name in self._models])
                    self.fits += FOLDS * len(self._models)
            trust = 1 / np.maximum(errors, 1e-9 * errors.max() or 1.0) ** 2
            self._weights = trust / trust.sum()
        return self._weights

    def _state(self, trainings: int) -> int:
        return int(np.random.default_rng((self._seed, trainings, SURROGATE)).integers(2**31))


def unseen_error(fit: Fit, features: Array, quality: Array, seed: int) -> float:
    """Mean squared error of what a model predicts of networks that it did not see, by five-fold cross-validation."""
    fold = np.random.default_rng(seed).permutation(len(quality)) % FOLDS
    predicted = np.empty(len(quality))
    for i in range(FOLDS):
        predicted[fold == i] = fit(features[fold != i], quality[fold != i], seed)(features[fold == i])[0]
    return float(np.mean((predicted - quality) ** 2))


def mixture(parts: Sequence[tuple[Array, Array]], weights: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (N,) of the mixture of several (means, standard deviations)."""
    means, deviations = (np.stack([part[i] for part in parts]) for i in (0, 1))
    mean: Array = weights @ means
    return mean, np.sqrt(weights @ (deviations**2 + (means - mean) ** 2))


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
