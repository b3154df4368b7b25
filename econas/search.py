"""What searches by EcoNAS and by what it is compared with share as experiments, whatever measures their networks."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from econas.history.terms import HIERARCHICAL, Terms
from econas.limited_space import LimitedSpace, Prices
from econas.strategy.baselines import evolution_sizes, evolution_then_retrain, random_then_retrain
from econas.strategy.hierarchical import VERSION, HierarchicalSearch
from econas.strategy.parameters import Parameters
from econas.strategy.sampler_search import PREFIX, sampler_then_retrain
from econas.strategy.surrogate_search import SurrogateSearch
from zoo.experiments.estimate import Estimate
from zoo.experiments.experiment import Experiment
from zoo.experiments.report import Report
from zoo.population.front import Limit
from zoo.population.journal import Journal
from zoo.population.strategy import Strategy
from zoo.population.trial import Record, Trial
from zoo.spaces.features import Featured
from zoo.spaces.space import Space
from zoo.surrogates.option import NO_SURROGATE

if TYPE_CHECKING:
    from zoo.experiments.run import Run

METHODS = (HIERARCHICAL, "random", "evolution")


@dataclass(frozen=True, kw_only=True)
class Search(Experiment):
    """A search that retrains its best networks.

    Attributes:
        method: hierarchical, or what it is compared with: random networks, evolution, or a sampler of Optuna
            (``optuna:TPESampler``) at the same proxy, each with the same budget and the same retraining.
        space: name of the search space.
        parameters: of the search; what its settings cost is filled in by :meth:`fitted`.
        within: limits on what is known of a network before it is trained: none is trained that does not keep them.

    Raises:
        ValueError: for a method that does not exist or that the parameters do not suit, or a limit on something else.
    """

    version: ClassVar[int] = VERSION
    continues: ClassVar[tuple[int, ...]] = (3,)
    random_part: ClassVar[int]
    """The evolution begins with this part of its trainings, one in so many, as random networks."""
    looked_up: ClassVar[bool] = False
    """Whether a published table measures networks."""

    method: str = HIERARCHICAL
    space: str = ""
    parameters: Parameters = field(default_factory=Parameters)
    within: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.within and self.method.startswith(PREFIX):
            raise ValueError(f"the method {self.method} knows no limits on costs: leave out --limit")
        if self.method not in METHODS and not self.method.startswith(PREFIX):
            raise ValueError(f"expected --method {'|'.join(METHODS)} or {PREFIX}SAMPLER, got {self.method!r}")
        guided = self.parameters.surrogate != NO_SURROGATE
        if guided and self.parameters.audit is not None:
            raise ValueError(
                "a search with a surrogate trains networks fully as it goes and has no audits, expected --audit off or "
                "--surrogate none"
            )
        if self.cyclic:
            return
        if guided:
            raise ValueError(f"the method {self.method} has no surrogate, expected --surrogate none")
        if self.parameters.budget is None:
            raise ValueError(f"the method {self.method} ends with its budget, expected --budget")
        if self.parameters.audit is not None or self.parameters.asynchronous:
            raise ValueError(f"the method {self.method} has neither audits nor cycles; leave out --audit and --async")

    @property
    def cyclic(self) -> bool:
        """Whether this is EcoNAS, with a surrogate or without, and not what it is compared with."""
        return self.method == HIERARCHICAL

    @property
    def audited(self) -> bool:
        """Whether it can hold audits, as the paper's search can."""
        return self.cyclic and self.parameters.surrogate == NO_SURROGATE

    @abstractmethod
    def search_space(self) -> Featured:
        """Where networks are drawn from and mutated in."""

    def prices(self) -> Prices:
        """What gives the costs of a network of the fitted search, those that limits may be on.

        Raises:
            ValueError: before the search is fitted.
        """
        raise ValueError(f"a search of {self.name} knows no costs beforehand")

    def identity(self) -> dict[str, Any]:
        """As of every experiment; searches of before there were limits are the same."""
        found = super().identity()
        for name in ("within", "latency"):
            if not found["strategy"].get(name, True):
                del found["strategy"][name]
        return found

    @property
    def terms(self) -> Terms:
        """What its report goes by."""
        return Terms(
            method=self.method,
            space=self.space,
            seed=self.seed,
            parameters=self.parameters,
            cyclic=self.cyclic,
            looked_up=self.looked_up,
        )

    def strategy(self) -> Strategy:
        """A fresh strategy of the method."""
        space: Space = self.search_space()
        numbers = self.parameters
        if self.within:
            space = LimitedSpace(self.search_space(), self.prices(), self.within)
        if self.audited:
            return HierarchicalSearch(space, numbers, self.seed)
        if self.cyclic:
            return SurrogateSearch(space, numbers, self.seed)
        if self.method.startswith(PREFIX):
            return sampler_then_retrain(space, numbers, self.seed, self.method.removeprefix(PREFIX))
        if self.method == "random":
            return random_then_retrain(space, numbers, self.seed)
        population, sample = evolution_sizes(int(numbers.search_budget / numbers.setting.e), self.random_part)
        return evolution_then_retrain(space, numbers, self.seed, population=population, sample=sample)

    def checked(self) -> Self:
        """The search itself, once it is known that it can be had.

        Raises:
            ValueError: as the strategy: a sampler that there is not, a space without features for a surrogate; or
                for limits that no network keeps.
        """
        if self.within:
            LimitedSpace(self.search_space(), self.prices(), self.within).require_networks(self.seed)
        self.strategy()
        return self

    def price(self, trial: Trial) -> float:
        """Epochs of the search's first setting."""
        assert trial.setting is not None
        return self.parameters.price(trial.setting) * (trial.stop - trial.start)

    def total(self, strategy: Strategy) -> float:
        """Epochs of the search's first setting; more once audits have raised it."""
        return strategy.total if isinstance(strategy, HierarchicalSearch) else self.parameters.total

    def observe(self, strategy: Strategy, journal: Journal) -> Sequence[str]:
        """Journal the verdicts of audits, and say the new ones."""
        verdicts = strategy.verdicts if isinstance(strategy, HierarchicalSearch) else ()
        if not verdicts:
            return ()
        said = len(journal.get("audits") or ())
        if len(verdicts) > said:
            journal.set("audits", [verdict.to_dict() for verdict in verdicts])
        return [f"audit: {verdict.sentence}" for verdict in verdicts[said:]]

    @property
    def trials(self) -> float:
        """How many there are at most."""
        numbers = self.parameters
        each = numbers.final_every or numbers.final.e
        return numbers.search_total / numbers.stages[0] + numbers.most_retrained * -(-numbers.final.e // each)

    def report(self, run: "Run") -> Report:
        """What the search found, how it got there and what it cost.

        Raises:
            ValueError: if nothing has been measured yet.
        """
        from econas.history.report import search_report

        return search_report(run, self.terms)


def winner_of(run: "Run", terms: Terms) -> tuple[Trial, Record]:
    """The network a search ends with: the best of the retrained, or of all where none is to be retrained.

    Raises:
        ValueError: if no network was trained to the end; names the last failure.
    """
    from econas.history.history import history

    with run.journal() as journal:
        found, records = history(journal, terms), journal.records()
    wanted = terms.parameters is None or terms.parameters.retrained > 0
    if found.winner is None or (wanted and not found.retrained):
        failed = [record.reason for record in records.values() if not record.ok]
        raise ValueError(f"no network was trained to the end; the last failure: {failed[-1] if failed else 'none'}")
    return found.winner.trial, records[found.winner.trial.index]


def estimate_of(search: Search, more: Mapping[str, float]) -> Estimate:
    """Trials and epochs at most, and what else is known: hours, megabytes.

    With a surrogate and a budget the epochs are a plan: it decides on the way how many of them are retraining.
    """
    numbers = {
        "trials": round(search.trials),
        "search_epochs": search.parameters.search_total,
        "retraining_epochs": search.parameters.retrained * search.parameters.final.e,
        **({"comparison_epochs": 2 * compare * search.parameters.final.e} if (compare := search.terms.compare) else {}),
        **more,
    }
    planned = "planned" if search.parameters.most_retrained > search.parameters.retrained else "at most"
    words = {"trials": "at most", "search_epochs": planned, "retraining_epochs": planned}
    lines = tuple(
        (name, f"{value:,.2f}" if name in more else f"{value:,.0f} {words.get(name, '')}".strip())
        for name, value in numbers.items()
    )
    return Estimate(numbers=numbers, lines=lines)
