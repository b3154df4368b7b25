import dataclasses

import numpy as np
import pytest

from scarlet.strategy.goal import Goal
from scarlet.strategy.nsga import VERSION, WeightedSearch
from scarlet.strategy.parameters import SearchParameters
from scarlet.strategy.replay import replayed
from zoo.population import Journal, Manager, ProxySetting, Record, SerialExecutor
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Infeasible, Limit, front, hypervolume, objectives
from zoo.population.run_front import identity_of
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts, chain_skeleton
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.training.comparison import Compared, ComparisonTerms, is_compared

PRICES = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 32, 10))
TWO = objectives(["accuracy"], ["macs"])
SMALL = SearchParameters(population=10, generations=6, rounds=4)


def accuracy(genotype):
    """Larger blocks are better, late ones more so; a little structure that costs do not show."""
    value = sum((1 + i) * c for i, c in enumerate(genotype.choices)) / 72
    return 0.1 + 0.8 * value - 0.05 * (genotype.choices[3] == 1)


def evaluator(jobs):
    return [
        (Record(index=job.trial.index, ok=True, metrics={"accuracy": accuracy(job.trial.genotype)}), None)
        for job in jobs
    ]


def make(parameters=SMALL, limits=(), weights=(0.5, 0.5), seed=0, wanted=TWO):
    goal = Goal(objectives=wanted, weights=weights, limits=tuple(map(Limit.parse, limits)))
    return WeightedSearch(NAS_BENCH_MACRO, PRICES, goal, parameters, seed)


def trials_of(strategy, batch=7, evaluator=evaluator):
    manager = Manager(strategy, Journal.memory({}), batch=batch)
    assert manager.run(SerialExecutor(evaluator))
    return manager.trials


def test_generations_have_the_algorithms_sizes():
    trials = trials_of(make())
    sizes = [sum(trial.tags["generation"] == g for trial in trials) for g in range(7)]
    assert sizes == [20, *[10] * 6]  # P_0 and Q_0 hold n each
    assert all((t.setting, t.start, t.stop, t.keep) == (None, 0, 1, False) for t in trials)
    parents = {trial.genotype.key for trial in trials}
    assert all(trial.parent in parents for trial in trials[20:])
    assert all(trial.parent is None for trial in trials[:20])


def test_no_function_is_evaluated_twice():
    trials = trials_of(make(SearchParameters(population=30, generations=20)))
    functions = [NAS_BENCH_MACRO.function_key(trial.genotype) for trial in trials]
    assert len(functions) == len(set(functions)) == 60 + 600


def test_limits_on_prices_cost_no_trial_and_the_others_are_refilled():
    strategy = make(dataclasses.replace(SMALL, rounds=30), limits=["macs<=50e6", "accuracy>=0.35"])
    trials = trials_of(strategy)
    macs = PRICES(np.array([trial.genotype.choices for trial in trials]))["macs"]
    assert macs.max() <= 50e6
    kept = [accuracy(trial.genotype) >= 0.35 for trial in trials]
    assert not all(kept)
    start = [good for trial, good in zip(trials, kept, strict=True) if trial.role == "start"]
    assert sum(start) == 20  # two populations of networks that keep it, whatever it took
    assert all(member.losses[0] <= -0.35 for member in strategy.population)


def test_the_search_finds_more_of_the_front_than_random_networks():
    every = np.array(list(np.ndindex(NAS_BENCH_MACRO.options)))
    chains = [NAS_BENCH_MACRO._chain(row) for row in every]
    losses = np.column_stack([[-accuracy(chain) for chain in chains], PRICES(every)["macs"]])
    place = {chain.choices: i for i, chain in enumerate(chains)}
    best, worst = losses.min(axis=0), losses.max(axis=0)

    def volume(genotypes):
        return hypervolume(losses[[place[one.choices] for one in genotypes]], best, worst)

    parameters = SearchParameters(population=20, generations=8)
    found = [volume([t.genotype for t in trials_of(make(parameters, seed=seed))]) for seed in range(3)]
    drawn = [volume([NAS_BENCH_MACRO.sample(rng) for _ in range(200)]) for rng in map(np.random.default_rng, range(3))]
    assert min(found) > max(drawn)
    assert min(found) > 0.95 * hypervolume(losses, best, worst)


def test_the_result_is_a_front_of_the_population():
    strategy = make()
    trials_of(strategy)
    losses = np.array([member.losses for member in strategy.population])
    assert len(front(losses)) > 3
    assert len({member.trial for member in strategy.population}) == len(strategy.population)


def test_survivors_of_every_generation_are_the_parents_of_the_next():
    strategy = make()
    trials = trials_of(strategy)
    assert [len(members) for members in strategy.survivors] == [10] * 7
    for generation, members in enumerate(strategy.survivors[:-1]):
        children = [trial for trial in trials if trial.tags["generation"] == generation + 1]
        assert {trial.parent for trial in children} <= {member.genotype.key for member in members}
    assert {member.trial for member in strategy.survivors[-1]} <= {member.trial for member in strategy.population}


def test_a_budget_ends_the_search_to_the_network():
    for budget in (5, 20, 33):
        numbers = SearchParameters(population=10, generations=50, evaluations=budget)
        assert len(trials_of(make(numbers))) == budget


def test_a_space_that_is_exhausted_ends_the_search():
    numbers = SearchParameters(population=60, generations=500, attempts=100)
    trials = trials_of(make(numbers, limits=["macs<=16e6"]), batch=100)
    functions = {NAS_BENCH_MACRO.function_key(trial.genotype) for trial in trials}
    every = np.array(list(np.ndindex(NAS_BENCH_MACRO.options)))
    cheap = every[PRICES(every)["macs"] <= 16e6]
    assert functions == {NAS_BENCH_MACRO.function(tuple(row)) for row in cheap.tolist()}


def test_failed_networks_are_replaced():
    def flaky(jobs):
        return [
            (record, None) if record.index % 3 else (Record(index=record.index, ok=False, reason="lost"), None)
            for record, _ in evaluator(jobs)
        ]

    strategy = make()
    trials = trials_of(strategy, evaluator=flaky)
    start = [trial for trial in trials if trial.role == "start"]
    assert sum(trial.index % 3 > 0 for trial in start) == 20


def test_an_accuracy_nobody_reaches_is_named_after_a_bounded_effort():
    strategy = make(limits=["macs<=60e6", "accuracy>=0.95"])
    named = r"accuracy>=0.95: none of \d+ networks kept it; the nearest has accuracy 0\.\d+"
    with pytest.raises(Infeasible, match=named) as caught:
        trials_of(strategy)
    assert [str(limit) for limit in caught.value.limits] == ["accuracy>=0.95"]


def test_macs_nobody_keeps_are_named_before_anything_is_evaluated():
    with pytest.raises(Infeasible, match="macs<="):
        make(limits=["macs<=1000"]).ask(1, 0)


def test_what_nobody_measures_is_refused():
    with pytest.raises(ValueError, match="nobody measures 'latency'"):
        make(wanted=objectives(["accuracy"], ["latency"]))
    with pytest.raises(ValueError, match="nobody measures 'speed'"):
        make(limits=["speed>=3"])
    with pytest.raises(ValueError, match="weights must sum to 1"):
        make(weights=(0.5, 0.4))


def test_another_seed_is_another_search_and_the_weights_change_it():
    plain = trials_of(make(seed=0))
    assert trials_of(make(seed=0), batch=3) == plain
    assert trials_of(make(seed=1)) != plain
    assert trials_of(make(weights=(0.9, 0.1))) != plain


# ---------------------------------------------------------------- again, from the journal


def journaled(goal, parameters=SMALL, seed=5, **changes):
    """A search and its journal, whose identity says what `scarlet search` makes it say."""
    identity = {"name": "scarlet", "version": VERSION, "space": NAS_BENCH_MACRO.name, "weights": list(goal.weights)}
    identity |= identity_of(goal.objectives, goal.limits) | {"parameters": parameters.to_dict(), "seed": seed}
    journal = Journal.memory({"strategy": identity | changes})
    strategy = WeightedSearch(NAS_BENCH_MACRO, PRICES, goal, parameters, seed)
    return strategy, journal, Manager(strategy, journal, batch=7)


@pytest.mark.parametrize("evaluations", [None, 33])
def test_a_finished_search_is_the_same_again(evaluations):
    limits = (Limit("macs", True, 51234567.0), Limit("accuracy", False, 0.2))
    goal = Goal(objectives=TWO, weights=(0.25, 0.75), limits=limits)
    parameters = dataclasses.replace(SMALL, evaluations=evaluations)
    strategy, journal, manager = journaled(goal, parameters)
    assert manager.run(SerialExecutor(evaluator))
    again = replayed(journal, PRICES)
    assert again.survivors == strategy.survivors
    assert again.population == strategy.population


def test_a_search_is_the_same_again_where_a_comparison_followed_it():
    goal = Goal(objectives=TWO, weights=(0.5, 0.5))
    strategy, journal, _ = journaled(goal)
    skeleton = chain_skeleton(NAS_BENCH_MACRO.name)
    terms = ComparisonTerms(repeats=2, setting=ProxySetting(0, 0, 0, 1), every=1, skeleton=skeleton)
    compared = Compared(strategy, lambda measured: measured[0][0].genotype, terms)
    assert Manager(compared, journal, batch=7).run(SerialExecutor(evaluator))
    assert sum(map(is_compared, journal.trials())) == 4
    assert replayed(journal, PRICES).population == strategy.population


def test_what_is_no_finished_search_is_refused():
    goal = Goal(objectives=TWO, weights=(0.5, 0.5))
    _, journal, manager = journaled(goal)
    assert not manager.run(SerialExecutor(evaluator), stop=lambda: len(manager.records) >= 30)
    with pytest.raises(ValueError, match="is not finished"):
        replayed(journal, PRICES)
    _, other, manager = journaled(goal, name="econas")
    with pytest.raises(ValueError, match="the run is of 'econas'"):
        replayed(other, PRICES)
    _, other, manager = journaled(dataclasses.replace(goal, limits=(Limit("macs", True, 50e6),)))
    manager.run(SerialExecutor(evaluator))
    with pytest.raises(ValueError, match="no longer asks"):
        replayed(other, ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 16, 100)))
