"""Any sampler of Optuna as a strategy: it suggests the draws by which a space samples a network."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from econas.history.trajectory import CHILD
from econas.strategy.baselines import ThenRetrain, trainings
from econas.strategy.parameters import Parameters
from econas.strategy.ranking import scorer
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.purposes import SAMPLER
from zoo.reliability.signal import ACCURACY
from zoo.spaces.genotype import Genotype
from zoo.spaces.space import Space

PREFIX = "optuna:"
DRAWS = "draws"
"""Tag of trials: what the sampler suggested for them, read back where it would suggest something else."""
PATIENCE = 100
"""Networks in a row that are known already, after which the search ends."""


class Suggested:
    """Stands in for a random generator where a space samples: a sampler of Optuna answers, draw by draw.

    Args:
        trial: of Optuna.
    """

    def __init__(self, trial: Any) -> None:
        self._trial = trial
        self.draws: dict[str, int] = {}
        """What was suggested, by the number of the draw and of what there was to choose from."""

    def integers(self, low: Any, high: Any = None, size: Any = None) -> Any:
        """Whole numbers from ``low``, or 0, to below the bound."""
        least, most = (0, low) if high is None else (low, high)
        counts = np.asarray(most) - np.asarray(least)
        counts = np.broadcast_to(counts, counts.shape if size is None else size)
        drawn = np.array([self._one(int(count)) for count in counts.ravel()], dtype=np.int64).reshape(counts.shape)
        return drawn + least if counts.shape else int(drawn) + int(least)

    def choice(self, options: Any, size: Any = None, replace: bool = True) -> Any:
        """Some of the options, or of so many numbers."""
        left = list(range(options)) if isinstance(options, int) else list(options)
        count = 1 if size is None else int(size)
        found = []
        for _ in range(count):
            place = self._one(len(left))
            found.append(left[place] if replace else left.pop(place))
        return found[0] if size is None else np.array(found)

    def random(self) -> float:
        """A number from 0 to below 1, in steps of 1/64."""
        return self._one(64) / 64

    def _one(self, count: int) -> int:
        name = f"{len(self.draws)}/{count}"
        self.draws[name] = int(self._trial.suggest_categorical(name, list(range(count))))
        return self.draws[name]


class SamplerSearch:
    """Trains what a sampler suggests, no function twice: one that is known is told to it again and costs nothing.

    A sampler rests on floating point, so what it suggested is read back from a journal.

    Args:
        space: where networks are drawn from.
        setting: how each is trained, from epoch 0 to its last.
        budget: epochs in all.
        seed: of the sampler.
        sampler: a class of ``optuna.samplers`` by name.
        signal: what ranks trainings.

    Raises:
        ValueError: for a budget that pays no training, an unknown sampler or signal, or without Optuna.
    """

    def __init__(
        self, space: Space, setting: ProxySetting, budget: float, seed: int, sampler: str, *, signal: str = ACCURACY
    ) -> None:
        self._space, self._setting, self._score = space, setting, scorer(signal)
        self._left = trainings(setting, budget)
        self._study = study_of(sampler, seed)
        self._running: dict[int, tuple[Any, str]] = {}
        self._known: dict[str, float | None] = {}  # by function; None while it is trained, or where it failed
        self._recalled: dict[int, Mapping[str, int]] = {}

    def ask(self, n: int, first: int) -> list[Trial]:
        """The sampler's next networks."""
        trials: list[Trial] = []
        while len(trials) < n and self._left:
            index = first + len(trials)
            found = self._next(index)
            if found is None:
                self._left = 0
                break
            genotype, asked, draws = found
            self._running[index] = asked, self._space.function_key(genotype)
            self._known[self._space.function_key(genotype)] = None
            self._left -= 1
            trials.append(
                Trial(
                    index=index,
                    genotype=genotype,
                    setting=self._setting,
                    start=0,
                    stop=self._setting.e,
                    role=CHILD,
                    tags={DRAWS: {**draws}},
                )
            )
        return trials

    def tell(self, records: Sequence[Record]) -> None:
        """Tell the sampler; a network that failed is told as a failure."""
        for record in records:
            asked, function = self._running.pop(record.index)
            if record.ok:
                self._known[function] = self._score(record)
                self._study.tell(asked, self._known[function])
            else:
                self._fail(asked)

    def recall(self, trials: Sequence[Trial]) -> None:
        """What was suggested for the trials of a journal."""
        for trial in trials:
            draws = trial.tags.get(DRAWS)
            if isinstance(draws, dict):
                self._recalled[trial.index] = {name: draw for name, draw in draws.items() if isinstance(draw, int)}

    def resumable(self) -> set[int]:
        """Nothing: every training is a whole one."""
        return set()

    def _next(self, index: int) -> tuple[Genotype, Any, dict[str, int]] | None:
        """A network that is new, with the sampler's trial and draws; None where it has no more."""
        wanted = self._recalled.get(index)
        for _ in range(PATIENCE):
            asked = self._study.ask()
            suggested = Suggested(asked)
            genotype = self._space.sample(suggested)  # type: ignore[arg-type]  # it draws as a generator does
            function = self._space.function_key(genotype)
            if function not in self._known:
                if wanted is None or wanted == suggested.draws:
                    return genotype, asked, suggested.draws
                self._fail(asked)  # another processor suggested something else
                self._study.enqueue_trial(dict(wanted))
            elif (score := self._known[function]) is None:
                self._fail(asked)
            else:
                self._study.tell(asked, score)
        return None

    def _fail(self, asked: Any) -> None:
        self._study.tell(asked, state=importlib.import_module("optuna").trial.TrialState.FAIL)


def study_of(sampler: str, seed: int) -> Any:
    """A study of Optuna with a sampler, in memory.

    Raises:
        ValueError: without Optuna, for a sampler that it lacks, or one that needs more than a seed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ValueError(f"the method {PREFIX}{sampler} needs Optuna: pip install 'thriftnas[peers]'")
    optuna = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    every: dict[str, Any] = {
        name: getattr(optuna.samplers, name) for name in optuna.samplers.__all__ if not name.startswith("Base")
    }
    kinds: dict[str, Any] = {
        name: kind for name, kind in every.items() if inspect.isclass(kind) and not inspect.isabstract(kind)
    }
    if sampler not in kinds:
        raise ValueError(f"Optuna has no sampler {sampler!r}, expected one of {', '.join(sorted(kinds))}")
    state = int(np.random.default_rng((seed, SAMPLER)).integers(2**31))
    try:
        return optuna.create_study(direction="maximize", sampler=kinds[sampler](seed=state))
    except TypeError as error:
        raise ValueError(f"Optuna's {sampler} needs more than a seed: {error}") from None


def sampler_then_retrain(space: Space, parameters: Parameters, seed: int, sampler: str) -> ThenRetrain:
    """A sampler at the proxy, no function twice, the best retrained.

    Raises:
        ValueError: as :class:`SamplerSearch`.
    """
    search = SamplerSearch(space, parameters.setting, parameters.search_budget, seed, sampler, signal=parameters.signal)
    return ThenRetrain(search, parameters)
