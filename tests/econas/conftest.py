"""An evaluator that knows every network's accuracy, workers that end out of order, and a way to run cycle by cycle."""

import hashlib
import random
from dataclasses import dataclass, field
from functools import partial

import pytest

from econas.strategy.audit import Auditing, Step
from econas.strategy.parameters import Parameters
from zoo.population import Journal, Manager, ProxySetting, Record, Trial
from zoo.population.executor import evaluate

OLD, NEW, NEWER = (ProxySetting.parse(text) for text in ("c4r4s0e6", "c3r3s0e6", "c2r2s0e6"))
LADDER = (Step(NEW, 2.0), Step(NEWER, 3.0))
SETTING, FINAL = ProxySetting.parse("c4r4s0e6"), ProxySetting.parse("c0r0s0e9")


def score(trial):
    """An accuracy that depends on the network and its epochs alone; longer trainings are better, with ties."""
    number = int(hashlib.sha256(trial.genotype.key.encode()).hexdigest()[:8], 16) / 16**8
    return round(number, 2) / 2 + trial.stop / (2 * trial.setting.e) / 10


def nothing(trial):
    """No more than an accuracy."""
    return {}


def training(jobs, accuracy=score, fails=lambda trial: False, more=nothing, notes=nothing):
    """The weights say which network was trained how and how far, and must be there where a stage continues."""
    outcomes = []
    for job in jobs:
        trial = job.trial
        wanted = None if trial.resumes is None else f"{trial.genotype.key} {trial.setting} {trial.start}".encode()
        assert job.checkpoint == wanted
        paid = trial.stop - trial.start
        if fails(trial):
            outcomes.append((Record(index=trial.index, ok=False, reason="diverged", epochs_paid=paid), None))
            continue
        metrics = {"accuracy": accuracy(trial)} | more(trial)
        record = Record(index=trial.index, ok=True, metrics=metrics, epochs_paid=paid, notes=notes(trial))
        outcomes.append((record, f"{trial.genotype.key} {trial.setting} {trial.stop}".encode() if trial.keep else None))
    return outcomes


@dataclass
class History:
    """What was asked, cycle by cycle, who was alive after each, and every accuracy."""

    cycles: list[list[Trial]] = field(default_factory=list)
    alive: list[list[tuple[int, int]]] = field(default_factory=list)  # (trial, level)
    accuracies: dict[int, float] = field(default_factory=dict)

    @property
    def trials(self):
        return [trial for cycle in self.cycles for trial in cycle]


def cycle_by_cycle(strategy, n=1000, accuracy=score, fails=lambda trial: False, more=nothing):
    """Ask until there is no answer, tell everything, and again."""
    history = History()
    while True:
        cycle = []
        while trials := strategy.ask(n, len(history.trials) + len(cycle)):
            assert len({(trial.setting, trial.start, trial.stop) for trial in trials}) == 1
            cycle += trials
        if not cycle:
            return history
        records = []
        for trial in cycle:
            ok = not fails(trial)
            if ok:
                history.accuracies[trial.index] = accuracy(trial)
            metrics = {"accuracy": accuracy(trial)} | more(trial) if ok else {}
            records.append(Record(index=trial.index, ok=ok, reason="" if ok else "diverged", metrics=metrics))
        strategy.tell(records)
        history.cycles.append(cycle)
        history.alive.append([(one.trial, one.level) for one in getattr(strategy, "alive", ())])


@dataclass
class Log:
    """A run whose trainings end in a random order: every ask that met a free worker, every accuracy."""

    asks: list[tuple[int, list[Trial]]] = field(default_factory=list)  # batches running, what was asked
    accuracies: dict[int, float] = field(default_factory=dict)

    @property
    def trials(self):
        return [trial for _, trials in self.asks for trial in trials]


def out_of_order(strategy, workers=3, seed=0, n=1, accuracy=score, fails=lambda trial: False):
    """Every free worker asks at once; whose training ends next is chance."""
    log, running, rng, count = Log(), [], random.Random(seed), 0
    while True:
        while len(running) < workers:
            trials = strategy.ask(n, count)
            log.asks.append((len(running), trials))
            if not trials:
                break
            assert len({(trial.setting, trial.start, trial.stop) for trial in trials}) == 1
            running.append(trials)
            count += len(trials)
        if not running:
            return log
        records = []
        for trial in running.pop(rng.randrange(len(running))):
            if fails(trial):
                records.append(Record(index=trial.index, ok=False, reason="diverged"))
            else:
                log.accuracies[trial.index] = accuracy(trial)
                records.append(Record(index=trial.index, ok=True, metrics={"accuracy": accuracy(trial)}))
        strategy.tell(records)


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class Workers:
    """Workers that end in a random order, several at once or one."""

    def __init__(self, workers, seed=0, evaluator=training):
        self.workers, self.evaluator, self.rng, self.running = workers, evaluator, random.Random(seed), []

    @property
    def free(self):
        return self.workers - len(self.running)

    def submit(self, jobs):
        self.running.append(jobs)

    def collect(self):
        self.rng.shuffle(self.running)
        part = [self.running.pop() for _ in range(self.rng.randint(1, len(self.running)))]
        return [outcome for jobs in part for outcome in checked(evaluate(self.evaluator, jobs))]

    def close(self):
        pass


def checked(outcomes):
    for record, _ in outcomes:
        assert record.reason in ("", "diverged"), record.reason
    return outcomes


class Shelf:
    """A weight store without a disk, for runs that die at every event; what it holds outlives them."""

    def __init__(self):
        self.held = {}

    def put(self, data):
        name = hashlib.sha256(data).hexdigest()
        self.held[name] = data
        return name

    def get(self, name):
        return self.held.get(name)

    @property
    def names(self):
        return set(self.held)

    def keep_only(self, names):
        self.held = {name: self.held[name] for name in set(names) & set(self.held)}


class Torn:
    """A journal whose process dies at one of its appends: before it is there, or right after."""

    def __init__(self, journal, lives, after):
        self.journal, self.lives, self.after = journal, lives, after

    def __getattr__(self, name):
        return getattr(self.journal, name)

    def append_ask(self, *arguments):
        self._append(self.journal.append_ask, arguments)

    def append_tell(self, *arguments, **options):
        self._append(partial(self.journal.append_tell, **options), arguments)

    def _append(self, append, arguments):
        self.lives -= 1
        if self.lives < 0 and not self.after:
            raise Killed
        append(*arguments)
        if self.lives < 0:
            raise Killed


@pytest.fixture(scope="session")
def run():
    return cycle_by_cycle


@pytest.fixture(scope="session")
def scattered():
    return out_of_order


@pytest.fixture(scope="session")
def small():
    """Numbers for a search of three stages that is over soon."""

    def make(**changes):
        numbers = {
            "start": 5,
            "parents": (2, 1, 1),
            "promotions": (2, 1),
            "stages": (2, 4, 6),
            "ageing": 2,
            "cycles": 5,
            "setting": SETTING,
            "final": FINAL,
            "finalists": 2,
        }
        return Parameters(**(numbers | changes))

    return make


@pytest.fixture(scope="session")
def fidelity():
    return score


@pytest.fixture(scope="session")
def workers():
    return Workers


@pytest.fixture(scope="session")
def torn():
    return Torn


@pytest.fixture(scope="session")
def shelf():
    return Shelf


@pytest.fixture(scope="session")
def killed():
    return Killed


@pytest.fixture(scope="session")
def trained():
    return training


class Kept(dict):
    """Weights in memory, for runs that nobody kills."""

    @property
    def names(self):
        return set(self)

    def put(self, data):
        name = hashlib.sha256(data).hexdigest()
        self[name] = data
        return name

    def keep_only(self, names):
        for name in set(self) - set(names):
            del self[name]


@pytest.fixture(scope="session")
def journaled(trained):
    """Runs a strategy on a journal, to its end or until so many trainings were told, and notes its verdicts."""

    def make(strategy, parameters, folder=None, *, name="econas", seed=0, steps=None, workers=1, batch=4, **training):
        identity = {
            "strategy": {"name": name, "version": 1, "space": "econas-search", "seed": seed}
            | ({"parameters": parameters.to_dict()} if isinstance(parameters, Parameters) else parameters),
            "setup": {"recipe": {"lr": 0.1}},
            "final": {"recipe": {"lr": 0.025}},
        }
        journal = Journal.memory(identity) if folder is None else Journal.create(folder, identity)
        told = []
        Manager(strategy, journal, Kept(), batch=batch).run(
            Workers(workers, evaluator=lambda jobs: trained(jobs, **training)),
            listen=lambda trial, record: told.append(trial),
            stop=lambda: steps is not None and len(told) >= steps,
        )
        verdicts = getattr(strategy, "verdicts", ())
        if verdicts:
            journal.set("audits", [verdict.to_dict() for verdict in verdicts])
        return journal

    return make


@pytest.fixture(scope="session")
def audited(small):
    """Numbers of a search with audits before its second and fourth cycle."""

    def make(mode="escalate", cycles=(2, 4), ladder=LADDER, networks=8, limit=0.0, share=0.7, **changes):
        audit = Auditing(mode=mode, cycles=cycles, ladder=ladder, networks=networks, limit=limit, share=share)
        numbers = {"start": 10, "parents": (4, 2, 2), "promotions": (4, 2), "ageing": 3, "cycles": 6}
        return small(**(numbers | {"audit": audit} | changes))

    return make


@pytest.fixture(scope="session")
def absurd(fidelity):
    """Every setting praises everyone more than the next one does, which likes them the other way round."""

    def accuracy(trial):
        number = fidelity(trial) / 10
        return {OLD: 0.9 + number, NEW: 0.6 - number}.get(trial.setting, number)

    return accuracy
