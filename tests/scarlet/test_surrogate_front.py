"""The search for a front with a surrogate: what it finds, who proposes, and that its decisions are read back."""

import itertools

import numpy as np
import pytest

from scarlet.strategy import imagination, surrogate_front
from scarlet.strategy.front_model import FrontModel
from scarlet.strategy.goal import Goal
from scarlet.strategy.imagination import chosen, imagined
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.surrogate_front import SurrogateFront
from tests.interrupted import interrupted as ended
from tests.interrupted import searched as driven
from zoo.population import Record
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Limit, front, hypervolume, objectives
from zoo.population.rounds import completed
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import ChainGenotype
from zoo.surrogates import Surrogate, forest

PRICES = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))
TWO = objectives(["accuracy"], ["macs"])


def accuracy(choices):
    """Larger blocks are better, late ones more so; some pairs together, and a little luck."""
    value = sum((1 + i) * c for i, c in enumerate(choices)) / 72 + 0.1 * (choices[0] == choices[5])
    return 0.1 + 0.6 * value + 0.01 * (hash(tuple(choices)) % 97) / 97


def evaluator(jobs):
    found = [{"accuracy": accuracy(one.trial.genotype.choices), "speed": 1.0} for one in jobs]
    return [(Record(index=job.trial.index, ok=True, metrics=row), None) for job, row in zip(jobs, found, strict=True)]


def make(kind=SurrogateFront, limits=(), wanted=TWO, seed=0, measured=("accuracy",), **numbers):
    goal = Goal(objectives=wanted, weights=(1 / len(wanted),) * len(wanted), limits=tuple(map(Limit.parse, limits)))
    given = {"population": 20, "evaluations": 60, "surrogate": "gp"} | numbers
    return kind(NAS_BENCH_MACRO, PRICES, goal, SearchParameters(**given), seed, measured)


def searched(strategy, evaluator=evaluator, batch=4, journal=None):
    return driven(strategy, evaluator, batch, journal)


@pytest.fixture(scope="module", autouse=True)
def small():
    """NSGA-II on the model is most of the time of such a search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "POPULATION", 40)
        patch.setattr(imagination, "GENERATIONS", 8)
        yield


@pytest.fixture(scope="module")
def whole():
    return searched(make())


# ---------------------------------------------------------------- what it finds


def test_a_model_finds_more_of_the_front_than_mutation(whole):
    every = np.array(list(itertools.product(range(3), repeat=8)))
    losses = np.column_stack([[-accuracy(row) for row in every.tolist()], PRICES(every)["macs"]])
    place = {tuple(row): i for i, row in enumerate(every.tolist())}

    def volume(trials):
        rows = [place[trial.genotype.choices] for trial in trials]
        return hypervolume(losses[rows], losses.min(axis=0), losses.max(axis=0))

    plain = [volume(searched(make(WeightedSearch, seed=seed, surrogate="none")).trials) for seed in range(5)]
    best = hypervolume(losses, losses.min(axis=0), losses.max(axis=0))
    assert best - volume(whole.trials) < (best - max(plain)) / 2


def test_generations_grow_by_an_eighth_and_nothing_is_evaluated_twice(whole):
    trials = whole.trials
    sizes = [len(list(group)) for _, group in itertools.groupby(trials, lambda trial: trial.tags["generation"])]
    assert sizes[0] == 12
    assert sizes[1] == 5
    assert sizes[-2] == -(-sum(sizes[:-2]) // 8)
    assert len(trials) == sum(sizes) == 60
    functions = [NAS_BENCH_MACRO.function_key(trial.genotype) for trial in trials]
    assert len(set(functions)) == 60


def test_generations_are_counted_as_the_evaluations_they_would_have_without():
    strategy = make(evaluations=None, population=5, generations=2)
    assert len(searched(strategy).trials) == 5 * 4
    assert strategy.ask(1, 20) == []


def test_limits_on_what_is_measured_are_learned():
    strategy = make(limits=["accuracy>=0.4", "macs<=60e6"])
    trials = searched(strategy).trials
    macs = PRICES(np.array([trial.genotype.choices for trial in trials]))["macs"]
    assert macs.max() <= 60e6
    kept = {role: [] for role in ("start", "child")}
    for trial in trials:
        kept[trial.role].append(accuracy(trial.genotype.choices) >= 0.4)
    assert not all(kept["start"])
    assert np.mean(kept["child"]) > np.mean(kept["start"])
    assert all(member.losses[0] <= -0.4 for member in strategy.population)


def test_a_limit_on_something_that_is_no_objective_has_a_model_of_its_own():
    strategy = make(limits=["speed>=0.5"], measured=("accuracy", "speed"), evaluations=20)
    assert len(searched(strategy).trials) == 20
    with pytest.raises(ValueError, match="nobody measures 'speed'"):
        make(limits=["speed>=0.5"])


def test_costs_alone_need_no_model():
    strategy = make(wanted=objectives(["params"], ["macs"]), evaluations=40)
    trials = searched(strategy).trials
    assert len(trials) == 40
    assert all(trial.parent is None for trial in trials[12:17])


def test_failures_are_left_out_and_a_search_of_failures_ends():
    def fails(jobs):
        return [(Record(index=job.trial.index, ok=False, reason="diverged"), None) for job in jobs]

    def some(jobs):
        return [fails([job])[0] if job.trial.index % 5 == 3 else evaluator([job])[0] for job in jobs]

    assert len(searched(make(evaluations=40), some).trials) == 40
    with pytest.raises(ValueError, match="none of 12 networks could be evaluated"):
        searched(make(rounds=1), fails)


def test_a_space_that_is_exhausted_ends_the_search():
    strategy = make(limits=["macs<=21e6"], evaluations=2000, population=400)
    functions = {NAS_BENCH_MACRO.function_key(trial.genotype) for trial in searched(strategy, batch=400).trials}
    every = np.array(list(itertools.product(range(3), repeat=8)))
    allowed = every[PRICES(every)["macs"] <= 21e6]
    all_of_them = {
        NAS_BENCH_MACRO.function_key(ChainGenotype("nas-bench-macro", tuple(row))) for row in allowed.tolist()
    }
    assert 0.9 < len(functions) / len(all_of_them) <= 1


# ---------------------------------------------------------------- who proposes


def test_a_model_that_finds_nothing_leaves_the_search_to_mutation(monkeypatch):
    """It believes in what it has just seen to be bad: the expensive and inaccurate."""
    monkeypatch.setattr(surrogate_front, "LEAST", 8)  # so that one of eight is of the other side from the beginning

    def worst(outlook, held, weights, count):
        return np.argsort(-outlook.losses(0.5)[:, 0], kind="stable")[:count].tolist()

    monkeypatch.setattr(surrogate_front, "chosen", worst)
    strategy = make(evaluations=120)
    trials = searched(strategy).trials
    late = [trial.parent is None for trial in trials[70:]]
    assert 0 < np.mean(late) < 0.3


def test_a_model_that_pays_keeps_the_lead(whole):
    assert np.mean([trial.parent is None for trial in whole.trials[12:]]) > 0.8


# ---------------------------------------------------------------- decisions are read back


def interrupted(calls, **numbers):
    return ended(make(**numbers), evaluator, 4, calls)


@pytest.mark.parametrize("calls", [7, 13])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(whole, calls):
    assert searched(make(), journal=interrupted(calls)).trials == whole.trials


def test_a_choice_of_the_model_is_that_of_an_undisturbed_search(monkeypatch):
    """`auto` chooses from what was known when the trainings had doubled, wherever the search was killed."""
    monkeypatch.setattr(forest, "TREES", 10)
    numbers = {"surrogate": "auto", "evaluations": 34}
    undisturbed = searched(make(**numbers)).trials
    assert searched(make(**numbers), journal=interrupted(9, **numbers)).trials == undisturbed


@pytest.mark.parametrize("calls", [7, 10])
def test_what_was_decided_is_never_decided_again(monkeypatch, calls):
    journal, predict = interrupted(calls), Surrogate.predict
    before = journal.trials()

    def negated(self, networks):
        mean, deviation = predict(self, networks)
        return -mean, deviation

    monkeypatch.setattr(Surrogate, "predict", negated)
    found = searched(make(), journal=journal).trials
    assert list(found[: len(before)]) == list(before)
    assert len(found) == 60
    assert len({NAS_BENCH_MACRO.function_key(trial.genotype) for trial in found}) == 60


def test_a_round_begun_is_completed_by_what_is_decided_beside_it():
    assert completed([], "abc", key=str) == ["a", "b", "c"]
    assert completed("a", "abc", key=str) == ["a", "b", "c"]
    assert completed("x", "abc", key=str) == ["x", "a", "b"]
    assert completed("xyz", "a", key=str) == ["x", "y", "z"]


# ---------------------------------------------------------------- the model


def model_of(rows, wanted=TWO, limits=()):
    goal = Goal(objectives=wanted, weights=(0.5, 0.5), limits=tuple(map(Limit.parse, limits)))
    model = FrontModel(NAS_BENCH_MACRO, PRICES, goal, "gp", 0)
    networks = [ChainGenotype("nas-bench-macro", tuple(row)) for row in rows.tolist()]
    model.learn(networks, [{"accuracy": accuracy(row)} for row in rows.tolist()], len(rows))
    return model


def test_costs_are_exact_what_is_measured_is_optimistic_and_limits_exclude():
    rng = np.random.default_rng(0)
    rows = rng.integers(3, size=(40, 8))
    model, others = model_of(rows, limits=["accuracy>=0.5"]), rng.integers(3, size=(50, 8))
    outlook = model.outlook(others)
    assert np.array_equal(outlook.metrics(0)["macs"], PRICES(others)["macs"])
    mean, hoped = (outlook.metrics(optimism)["accuracy"] for optimism in (0, 2))
    true = np.array([accuracy(row) for row in others.tolist()])
    assert np.corrcoef(mean, true)[0, 1] > 0.9
    assert (hoped > mean).all()
    losses = outlook.losses(0)
    assert np.array_equal(np.isinf(losses).all(axis=1), mean < 0.5)


def test_what_is_imagined_dominates_random_networks_and_the_chosen_join_the_front():
    rows = np.random.default_rng(1).integers(3, size=(40, 8))
    model = model_of(rows)
    candidates = imagined(model, NAS_BENCH_MACRO.options, rows[:5], seed=3)
    assert len(candidates) == len(np.unique(candidates, axis=0)) > 300
    assert np.array_equal(candidates, imagined(model, NAS_BENCH_MACRO.options, rows[:5], seed=3))
    outlook = model.outlook(candidates)
    held = model.outlook(rows).losses(0)
    picked = chosen(outlook, held, (0.5, 0.5), 6)
    assert len(set(picked)) == 6
    losses = outlook.losses(0.5)
    assert set(picked) <= {i - len(held) for i in front(np.concatenate([held, losses]))}
    assert len(chosen(outlook, held, (0.5, 0.5), 10_000)) <= len(candidates)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [({"surrogate": "tree"}, "one of none, auto, forest, gp, got 'tree'"), ({"evaluations": 7}, "8 networks at least")],
)
def test_bad_numbers_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        make(**numbers)


def test_a_search_without_a_surrogate_is_the_run_it_always_was():
    assert "surrogate" not in SearchParameters().to_dict()
    assert SearchParameters(surrogate="gp").to_dict()["surrogate"] == "gp"
