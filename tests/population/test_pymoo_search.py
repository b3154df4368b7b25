"""pymoo and our searches: a search as a problem, and an algorithm as a strategy, which asks what pymoo alone asks."""

import copy

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2

from tests.installed import install
from zoo.population import Journal, Manager, Record, SerialExecutor
from zoo.population.chain_problem import Terms, chain_problem
from zoo.population.costs import CostedEvaluator, TableCosts
from zoo.population.front import Infeasible, Limit, front, objectives
from zoo.population.nsga2 import WORST
from zoo.population.pymoo_algorithm import PLACES, algorithm
from zoo.population.pymoo_search import PymooSearch
from zoo.population.run_front import read_front
from zoo.spaces.chain_space import NAS_BENCH_MACRO

SIZES = np.indices(NAS_BENCH_MACRO.options).sum(axis=0).astype(np.float64)
COSTS = TableCosts({"macs": 1e6 * (1 + SIZES), "params": 1e3 * (20 - SIZES)})
BUDGET = 60


def terms(*limits, minimize=("macs",)):
    return Terms(
        space=NAS_BENCH_MACRO,
        costs=COSTS,
        objectives=objectives(["accuracy"], minimize),
        limits=tuple(map(Limit.parse, limits)),
    )


def accuracy(choices):
    size = sum(choices)
    return round(1 - np.exp(-size / 9) - 0.01 * (choices[0] == 1) - 0.003 * choices[3], 4)


def evaluate(jobs):
    return [
        (Record(index=job.trial.index, ok=True, metrics={"accuracy": accuracy(job.trial.genotype.choices)}), None)
        for job in jobs
    ]


def measured(choices):
    return [{"accuracy": accuracy(row)} for row in choices.tolist()]


def alone(wanted, name, budget=BUDGET, seed=4):
    """The networks that pymoo has measured by itself when so many are, in order."""
    problem = chain_problem(wanted, measured)
    found = copy.deepcopy(algorithm(name, 12)(problem))
    found.setup(problem, termination=("n_gen", 200), seed=seed, verbose=False)
    while found.has_next() and len(problem.known) < budget:
        found.next()
    return list(problem.known)[:budget]


def run(wanted, make, budget=BUDGET, seed=4, journal=None):
    names = {"objectives": list(map(str, wanted.objectives)), "limits": list(map(str, wanted.limits))}
    journal = journal or Journal.memory({"strategy": {"name": "pymoo", **names}})
    Manager(PymooSearch(wanted, make, budget, seed), journal).run(SerialExecutor(CostedEvaluator(evaluate, COSTS)))
    return journal


@pytest.mark.parametrize("limits", [(), ("macs<=9e6", "accuracy>=0.3")])
@pytest.mark.parametrize("name", ["NSGA2", "SPEA2", "SMSEMOA", "NSGA3", "CTAEA"])
def test_an_algorithm_as_a_strategy_asks_what_it_asks_alone_and_finds_the_same_front(name, limits):
    expected = alone(terms(*limits), name)
    journal = run(terms(*limits), algorithm(name, 12))
    assert [trial.genotype.choices for trial in journal.trials()] == expected
    found = read_front(journal)
    rows = [row for row in expected if all(limit.holds(value(row, limit.metric)) for limit in terms(*limits).limits)]
    losses = np.array([[-accuracy(row), value(row, "macs")] for row in rows])
    best = {rows[i] for i in front(losses)}
    assert {found.trials[i].genotype.choices for i in found.front} == best


def value(choices, metric):
    return accuracy(choices) if metric == "accuracy" else float(COSTS.values[metric][choices])


def test_a_limit_on_a_cost_takes_no_trial_and_one_on_what_is_measured_is_kept_by_the_front():
    journal = run(terms("macs<=9e6", "accuracy>=0.5"), algorithm("NSGA2", 12))
    trials, records = journal.trials(), journal.records()
    assert len(trials) == BUDGET
    assert len({trial.genotype.key for trial in trials}) == BUDGET  # no network twice
    assert max(record.metrics["macs"] for record in records.values()) <= 9e6
    found = read_front(journal)
    assert all(record.metrics["accuracy"] >= 0.5 for record in np.array(found.records)[found.front])


def test_every_named_algorithm_searches_with_two_and_with_three_objectives():
    """pymoo's defaults are shared and keep state of the search before: with as many objectives as that had."""
    for name in sorted(PLACES):
        for minimize in (("macs",), ("macs", "params")):
            journal = run(terms(minimize=minimize), algorithm(name, 8), budget=20)
            assert journal.trials(), name


def test_terms_count_in_shares_of_bounds_and_a_failure_misses_them_all():
    wanted = terms("macs<=5e6", "accuracy>=0.4")
    rows = np.array([[0] * 8, [0] * 8, [2] * 8, [0] * 7 + [1]])
    losses, missed = wanted.judged(rows, [{"accuracy": 0.3}, None, None, {"accuracy": 0.5}])
    np.testing.assert_allclose(losses[[0, 3]], [[-0.3, 1e6], [-0.5, 2e6]])
    assert (losses[[1, 2]] == WORST).all()
    np.testing.assert_allclose(missed[0], [-0.8, 0.25])
    np.testing.assert_allclose(missed[1], [1, 1])  # it was measured, and failed
    np.testing.assert_allclose(missed[2], [12 / 5, 0])  # it was never measured
    assert (missed[3] <= 0).all()
    assert wanted.genotypes([[0.4, 1.6, 5, -3, 0, 0, 0, 0]])[0].choices == (0, 2, 2, 0, 0, 0, 0, 0)


def test_what_cannot_go_on_is_said_in_a_line(monkeypatch):
    with pytest.raises(Infeasible, match=r"no network found with macs<=100: .* the nearest has macs"):
        PymooSearch(terms("macs<=100"), algorithm("NSGA2", 200), 10, 0).ask(1, 0)
    with pytest.raises(ValueError, match=r"MOEAD cannot go on: AssertionError: .* does not support any constraints"):
        PymooSearch(terms("macs<=9e6"), algorithm("MOEAD", 12), 10, 0).ask(1, 0)
    for arguments, message in ((("NSGA9", 12), "one of CTAEA, .* got 'NSGA9'"), (("NSGA2", 1), "at least 2, got 1")):
        with pytest.raises(ValueError, match=message):
            algorithm(*arguments)
    with pytest.raises(ValueError, match="nobody measures 'energy'"):
        terms(minimize=("energy",))
    install(monkeypatch, "thriftnas.algorithms", {"broken": f"{__name__}:broken"})
    with pytest.raises(ValueError, match=r"the algorithm 'broken' of .* failed: RuntimeError: no"):
        PymooSearch(terms(), algorithm("broken", 12), 10, 0).ask(1, 0)


def broken(problem, population):
    raise RuntimeError("no")


def continuous(problem, population):
    """NSGA-II as pymoo has it for real numbers."""
    return NSGA2(pop_size=population)


def test_an_installed_algorithm_searches_and_real_numbers_stand_for_the_nearest_choices(monkeypatch):
    install(monkeypatch, "thriftnas.algorithms", {"continuous": f"{__name__}:continuous"})
    journal = run(terms("macs<=12e6"), algorithm("continuous", 10), budget=30)
    trials = journal.trials()
    assert len({trial.genotype.key for trial in trials}) == len(trials) == 30
    assert all(NAS_BENCH_MACRO.contains(trial.genotype) for trial in trials)
    assert {trial.tags["generation"] for trial in trials} > {0, 1}
