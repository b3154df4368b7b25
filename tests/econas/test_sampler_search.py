"""A sampler of Optuna as a strategy: what it draws with, that it pays nothing twice, and that it is read back."""

import itertools

import numpy as np
import pytest

from econas.strategy import sampler_search
from econas.strategy.sampler_search import SamplerSearch, Suggested, sampler_then_retrain, study_of
from econas.table_experiment import table_parameters
from tests.interrupted import interrupted as ended
from tests.interrupted import searched as driven
from zoo.population import ProxySetting, Record
from zoo.population.table import Table
from zoo.spaces import DARTS, ECONAS_SEARCH
from zoo.spaces.chain_space import NAS_BENCH_MACRO

pytest.importorskip("optuna")
CHAINS = list(itertools.product(range(3), repeat=8))
BEST = max(sum(one) for one in CHAINS)
TABLE = Table(NAS_BENCH_MACRO, {one: {12: 0.5 * sum(one) / BEST, 200: sum(one) / BEST} for one in CHAINS})
CHEAP = ProxySetting(0, 0, 0, 12)


class Answers:
    """Optuna's trial, as far as it is used: the last of the choices, and what was asked."""

    def __init__(self):
        self.asked = {}

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return choices[-1]


def searched(strategy, evaluator=TABLE, journal=None):
    return driven(strategy, evaluator, 4, journal)


def test_a_space_draws_from_suggestions():
    answers = Answers()
    suggested = Suggested(answers)
    assert suggested.integers(5) == 4
    assert suggested.integers(2, 5) == 4
    assert suggested.integers(3, size=2).tolist() == [2, 2]
    assert suggested.integers((3, 2)).tolist() == [2, 1]
    assert suggested.choice(4) == 3
    assert suggested.choice("ab") == "b"
    assert suggested.choice(3, size=3, replace=False).tolist() == [2, 1, 0]
    assert 0 <= suggested.random() < 1
    assert list(answers.asked) == list(suggested.draws)
    assert suggested.draws["0/5"] == 4


@pytest.mark.parametrize("space", [DARTS, ECONAS_SEARCH, NAS_BENCH_MACRO], ids=lambda space: space.name)
def test_every_space_can_be_sampled(space):
    study = study_of("RandomSampler", 0)
    for _ in range(20):
        assert space.contains(space.sample(Suggested(study.ask())))


@pytest.mark.parametrize("sampler", ["TPESampler", "NSGAIISampler"])
def test_it_trains_no_function_twice_and_retrains_the_best(sampler):
    parameters = table_parameters(TABLE, budget=2400)
    found = searched(sampler_then_retrain(NAS_BENCH_MACRO, parameters, 0, sampler))
    children = [trial for trial in found.trials if trial.role == "child"]
    functions = {NAS_BENCH_MACRO.function_key(trial.genotype) for trial in children}
    assert len(functions) == len(children) == int(parameters.search_budget // 12)
    assert sum(record.epochs_paid for record in found.records) <= 2400
    full = [trial for trial in found.trials if trial.role != "child"]
    assert 1 <= len(full) <= 5
    best = max(children, key=lambda trial: sum(trial.genotype.choices))
    assert best.genotype in [trial.genotype for trial in full]


def test_tpe_learns():
    tpe, random = (
        [sum(t.genotype.choices) for t in searched(SamplerSearch(NAS_BENCH_MACRO, CHEAP, 100 * 12, 1, name)).trials]
        for name in ("TPESampler", "RandomSampler")
    )
    assert np.mean(tpe[50:]) > np.mean(random[50:]) + 2


def test_a_network_that_fails_is_told_as_a_failure():
    def some(jobs):
        failed = Record(index=jobs[0].trial.index, ok=False, reason="diverged")
        return [(failed, None), *TABLE(jobs[1:])]

    found = searched(SamplerSearch(NAS_BENCH_MACRO, CHEAP, 40 * 12, 0, "TPESampler"), some)
    assert len(found.trials) == 40
    assert sum(not record.ok for record in found.records) == 10


def test_a_space_that_is_exhausted_ends_the_search():
    class Small:
        name, size = "small", 3

        def sample(self, rng):
            return NAS_BENCH_MACRO._chain([int(rng.integers(3)), *[0] * 7])

        function_key = NAS_BENCH_MACRO.function_key
        contains = NAS_BENCH_MACRO.contains

    assert len(searched(SamplerSearch(Small(), CHEAP, 40 * 12, 0, "RandomSampler")).trials) == 3


def interrupted(calls):
    return ended(SamplerSearch(NAS_BENCH_MACRO, CHEAP, 30 * 12, 3, "TPESampler"), TABLE, 4, calls)


@pytest.mark.parametrize("calls", [1, 5])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(calls):
    whole = searched(SamplerSearch(NAS_BENCH_MACRO, CHEAP, 30 * 12, 3, "TPESampler"))
    again = SamplerSearch(NAS_BENCH_MACRO, CHEAP, 30 * 12, 3, "TPESampler")
    assert searched(again, journal=interrupted(calls)).trials == whole.trials


def test_what_was_suggested_is_read_back_where_another_would_be():
    journal = interrupted(5)
    before = journal.trials()
    other = SamplerSearch(NAS_BENCH_MACRO, CHEAP, 30 * 12, 4, "TPESampler")  # another seed, as another processor
    found = searched(other, journal=journal).trials
    assert list(found[: len(before)]) == list(before)
    assert len({NAS_BENCH_MACRO.function_key(trial.genotype) for trial in found}) == len(found) == 30


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ("TreeSampler", "Optuna has no sampler 'TreeSampler', expected one of .*TPESampler"),
        ("GridSampler", "than a seed"),
    ],
)
def test_a_sampler_that_there_is_not_is_refused(sampler, message):
    with pytest.raises(ValueError, match=message):
        study_of(sampler, 0)


def test_without_optuna_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(sampler_search.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"needs Optuna: pip install 'thriftnas\[peers\]'"):
        study_of("TPESampler", 0)
