"""What a search did, from its journal alone: trainings, populations, finalists, audits and costs. No torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from econas.history.terms import Terms
from econas.history.trajectory import (
    AUDIT,
    CHILD,
    CYCLE,
    NAN,
    PROMOTION,
    RENEWAL,
    RETRAIN,
    SEARCH,
    Level,
    Network,
    Retrained,
    Training,
)
from econas.strategy.parameters import Parameters
from zoo.experiments.kinds.compared import ComparisonResult
from zoo.population.journal import Journal
from zoo.population.proxy import ProxySetting
from zoo.population.trial import Record, Trial
from zoo.surrogates.option import NO_SURROGATE
from zoo.training.comparison import is_compared


@dataclass(frozen=True, slots=True)
class Session:
    """One call that ran the search: its workers, wall-clock seconds, and seconds they worked, summed over them."""

    workers: int
    wall: float
    busy: float

    @property
    def idle(self) -> float:
        """Seconds of workers without work."""
        return max(0.0, self.workers * self.wall - self.busy)


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything a search's report says.

    Attributes:
        strategy: the run's identity of its strategy, for readers.
        terms: what the search was to do.
        levels: the populations, from the first to the last.
        trainings: by trial.
        networks: by number.
        finalists: in the order of the search, the best first.
        audits: verdicts, as the search wrote them.
        sessions: calls that ran it; empty where nothing is known.
        unfinished: what is missing; empty for a finished search.
        about: identity, data, versions, hardware, command.
        tested: the metric of the winner on the test images, which no journal has; NaN where unknown.
        compared: what the comparison with a baseline has found, which no journal has either; None where unknown.
    """

    strategy: Mapping[str, Any]
    terms: Terms
    levels: tuple[Level, ...]
    trainings: tuple[Training, ...]
    networks: Mapping[int, Network]
    finalists: tuple[Retrained, ...]
    audits: tuple[Mapping[str, Any], ...]
    sessions: tuple[Session, ...]
    unfinished: str
    about: Mapping[str, Any]
    tested: float = NAN
    compared: ComparisonResult | None = None

    @cached_property
    def winner(self) -> Training | None:
        """The last training of the best network: the retrained one, else who leads; None if everything failed.

        The metric judges the retrained. While there are none, the search's signal says who leads; scores of two
        settings never compete: complete schedules go first, then the newer setting, then the longer training.
        """
        done = [one.curve[-1] for one in self.finalists if one.done]
        if done:
            return min(done, key=lambda one: (descending(one.judged), one.trial.index))
        found = [(one.level, one) for one in self.trainings if one.level is not None and one.state == "ok"]
        if not found:
            return None
        return min(
            found,
            key=lambda one: (
                not one[0].last, -one[0].place, -one[0].stop, descending(one[1].score), one[1].trial.index,
            ),
        )[1]  # fmt: skip

    @property
    def method(self) -> str:
        """What the strategy is called."""
        return self.terms.method

    @property
    def parameters(self) -> Parameters | None:
        """The numbers of the search; None where the strategy has others."""
        return self.terms.parameters

    @property
    def retrained(self) -> bool:
        """Whether the winner is one by its retraining."""
        return self.winner is not None and self.winner.trial.role == RETRAIN

    def wins(self, finalist: Retrained) -> bool:
        """Whether a finalist is the winner."""
        return self.winner is not None and self.retrained and self.winner.network == finalist.network

    @property
    def spent(self) -> float:
        """Epochs of the search's first setting paid so far."""
        return math.fsum(one.cost for one in self.trainings)

    def label(self, level: Level) -> str:
        """A population's name: P20, with what else tells it apart: the reductions, or the whole setting."""
        if len({one.factors for one in self.levels}) == 1 == sum(one.stop == level.stop for one in self.levels):
            return f"P{level.stop}"
        alike = sum((one.stop, one.factors) == (level.stop, level.factors) for one in self.levels)
        return f"P{level.stop} {level.factors if alike == 1 else level.setting}"

    @property
    def unit(self) -> str:
        """What costs are counted in."""
        return f"epochs of {self.levels[0].factors}"

    def of_role(self, *roles: str) -> list[Training]:
        """The trainings of some roles, by trial."""
        return [one for one in self.trainings if one.trial.role in roles]


def history(journal: Journal, terms: Terms | None = None) -> History:
    """What a search did so far; finished or not, of any strategy that trains children.

    Args:
        journal: of the run.
        terms: of its experiment; None: those that its identity tells, for strategies that are no experiments.

    Raises:
        ValueError: if nothing has been measured yet, or the run is no search.
    """
    strategy = journal.identity.get("strategy") or {}
    trials, records = journal.trials(), journal.records()
    if not records:
        raise ValueError("the search has measured nothing yet; there is nothing to report")
    if not any(trial.role in SEARCH for trial in trials):
        raise ValueError(f"the run is a {strategy.get('name')!r}, expected a search")
    terms = Terms.read(strategy) if terms is None else terms
    order = [index for event in journal.events() if event.kind == "tell" for index in event.numbers]
    old = journal.schema_1_trials if terms.cyclic else 0
    trainings = _trainings(trials, records, order, terms, old)
    about = {name: journal.get(name) for name in ("command", "data")} | (journal.get("about") or {})
    finalists = _finalists(trainings)
    return History(
        strategy=strategy,
        terms=terms,
        levels=tuple(sorted({one.level for one in trainings if one.level is not None})),
        trainings=trainings,
        networks=_networks(trainings),
        finalists=finalists,
        audits=tuple(journal.get("audits") or ()),
        sessions=tuple(
            Session(int(one["workers"]), float(one["wall_s"]), float(one["busy_s"]))
            for one in journal.get("sessions") or ()
        ),
        unfinished=_unfinished(trainings, finalists, terms.parameters) or _uncompared(trainings, finalists, terms),
        about=about | {"identity": journal.identity},
    )


def _trainings(
    trials: Sequence[Trial], records: Mapping[int, Record], order: Sequence[int], terms: Terms, old: int
) -> tuple[Training, ...]:
    parameters = terms.parameters

    def cost(trial: Trial) -> float:
        price = parameters.price(trial.setting) if parameters and trial.setting else 1.0
        return records[trial.index].epochs_paid * price

    paid, sum_ = {}, 0.0
    for index in order:
        sum_ += cost(trials[index])
        paid[index] = sum_
    networks = _numbers(trials)
    places: dict[ProxySetting, int] = {}
    guessed = _guessed_cycles(trials[:old], parameters.children) if parameters else []
    cycles = [*guessed, *(_cycle(trial) for trial in trials[len(guessed) :])]
    found = []
    for trial, network, cycle in zip(trials, networks, cycles, strict=True):
        level, record = None, records.get(trial.index)
        metrics = record.metrics if record and record.ok else {}
        if trial.role in SEARCH and trial.setting is not None:
            level = Level(places.setdefault(trial.setting, len(places)), trial.stop, trial.setting)
        found.append(
            Training(
                trial=trial,
                network=network,
                level=level,
                cycle=cycle,
                state="pending" if record is None else "ok" if record.ok else "failed",
                reason="" if record is None else record.reason,
                accuracy=metrics.get("accuracy", NAN),
                score=NAN if record is None else terms.signal.score(record),
                judged=metrics.get(terms.metric, NAN),
                epochs=record.epochs_paid if record else 0.0,
                cost=cost(trial) if record else 0.0,
                paid=paid.get(trial.index, NAN),
                seconds=record.seconds if record else 0.0,
                metrics=record.metrics if record else {},
                record=record,
            )
        )
    return tuple(found)


def _numbers(trials: Sequence[Trial]) -> list[int]:
    """The network of every trial: a child is a new one, others continue one by its weights or its architecture."""
    numbers: list[int] = []
    newest: dict[str, int] = {}
    for trial in trials:
        if trial.resumes is not None:
            number = numbers[trial.resumes]
        elif trial.role == CHILD:
            number = newest[trial.genotype.key] = trial.index
        else:
            number = newest.setdefault(trial.genotype.key, trial.index)
        numbers.append(number)
    return numbers


def descending(value: float) -> float:
    """Sorts the higher first, and the unknown last."""
    return math.inf if math.isnan(value) else -value


def _cycle(trial: Trial) -> int | None:
    """The cycle that a trial was asked for in."""
    number = trial.tags.get(CYCLE)
    return number if isinstance(number, int) else None


def _guessed_cycles(trials: Sequence[Trial], children: int) -> list[int | None]:
    """The cycles of trials of schema 1, which do not say theirs: audits come first, then children, then promotions."""
    found: list[int | None] = []
    cycle, born, over = 0, 0, True
    for trial in trials:
        if trial.role == AUDIT or (trial.role == CHILD and trial.parent is not None):
            if over or born == children or (trial.role == AUDIT and born):
                cycle, born, over = cycle + 1, 0, False
            born += trial.role == CHILD
        elif trial.role in (PROMOTION, RENEWAL):
            over = True
        found.append(None if trial.role == RETRAIN else cycle)
    return found


def _networks(trainings: Sequence[Training]) -> dict[int, Network]:
    found: dict[int, Network] = {}
    newest: dict[str, int] = {}
    grouped: dict[int, list[Training]] = {}
    for one in trainings:
        if is_compared(one.trial):
            continue  # a baseline is none of the search's networks
        part = grouped.setdefault(one.network, [])
        if one.level is not None:
            part.append(one)
    for number, part in grouped.items():
        trial = trainings[number].trial
        parent = None if trial.parent is None else newest.get(trial.parent)
        newest[trial.genotype.key] = number
        found[number] = Network(number=number, genotype=trial.genotype, parent=parent, trainings=tuple(part))
    return found


def _finalists(trainings: Sequence[Training]) -> tuple[Retrained, ...]:
    curves: dict[int, list[Training]] = {}
    for one in trainings:
        if one.trial.role == RETRAIN:
            curves.setdefault(one.network, []).append(one)
    return tuple(Retrained(network=network, curve=tuple(curve)) for network, curve in curves.items())


def _unfinished(trainings: Sequence[Training], finalists: Sequence[Retrained], parameters: Parameters | None) -> str:
    """Why a search is not finished, as far as the journal tells."""
    pending = sum(one.state == "pending" for one in trainings)
    if pending:
        return f"{pending} training{'' if pending == 1 else 's'} had begun and not ended"
    going = sum(not one.done and one.curve[-1].state == "ok" for one in finalists)
    if going:
        return f"{going} of {len(finalists)} retrained networks are not at their last epoch"
    if parameters is None or not any(one.state == "ok" for one in trainings):
        return ""
    if parameters.surrogate != NO_SURROGATE and parameters.budget is not None and parameters.retrained:
        return _unbought(trainings, len(finalists), parameters)
    if parameters.retrained:
        last = {one.network: one for one in trainings if one.level is not None}  # by journal: the newest of each
        wanted = min(parameters.retrained, sum(one.state == "ok" for one in last.values()))
        return f"{len(finalists)} of {wanted} networks are retrained" if len(finalists) < wanted else ""
    spent, cycle = math.fsum(one.cost for one in trainings), max((one.cycle or 0 for one in trainings), default=0)
    if cycle < parameters.cycles and spent + parameters.stages[0] <= parameters.search_total:
        return f"{spent:,.0f} of {parameters.search_total:,.0f} epochs are spent"
    return ""


def _uncompared(trainings: Sequence[Training], finalists: Sequence[Retrained], terms: Terms) -> str:
    """That the comparison at the search's end has not ended; where nothing is retrained there is none."""
    wanted = 2 * (terms.compare or 0) if any(one.done for one in finalists) else 0
    own = [one for one in trainings if is_compared(one.trial) and one.trial.setting is not None]
    ended = sum(one.state == "failed" or one.trial.stop == one.trial.setting.e for one in own if one.trial.setting)
    return f"{ended} of {wanted} trainings of the comparison have ended" if ended < wanted else ""


def _unbought(trainings: Sequence[Training], bought: int, parameters: Parameters) -> str:
    """Of a search with a surrogate: that its budget pays another full training, as long as it knows whose."""
    full = parameters.final.e * parameters.final_price
    asked = [one.trial for one in trainings if one.level is not None]
    spent = bought * full + sum(trial.stop - trial.start for trial in asked)
    alive = len({one.network for one in trainings if one.level is not None and one.state == "ok"})
    if bought >= alive or spent + full > parameters.total:
        return ""
    return f"{spent:,.0f} of {parameters.total:,.0f} epochs are spent"
