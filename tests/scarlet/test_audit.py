"""Audits of a supernet: which networks are trained alone, what comes of it, and that it is none of the front."""

import dataclasses

import numpy as np
import pytest

import scarlet
from scarlet.evaluation.alone import WithTraining
from scarlet.experiments.audit_result import audit_result
from scarlet.strategy.audited import Audit, AuditedSearch
from scarlet.strategy.nsga import WeightedSearch
from scarlet.strategy.surrogate_front import SurrogateFront
from tests.interrupted import broken_off
from tests.scarlet.supernets import DIGITS, trained_supernet
from tests.shown import shown
from zoo.experiments import execute
from zoo.population import Journal, Manager, ProxySetting, Record, SerialExecutor, Trial
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Objective
from zoo.population.trial import ALONE
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import CHAIN_SPACES
from zoo.spaces.genotype import ChainGenotype

pytestmark = pytest.mark.usefixtures("without_drawing")
COSTS = ClosedFormCosts(ChainCosts(CHAINS["nas-bench-macro"], 16, 10))
FEW = scarlet.SearchParameters(population=10, generations=2)


def accuracy(jobs):
    """What networks have on inherited weights, and better when trained alone, in the same order."""
    outcomes = []
    for job in jobs:
        choices = job.trial.genotype.choices
        value = sum(choices) / 20 + 0.01 * choices[0] + (0.1 if job.trial.role == ALONE else 0)
        metrics = {"accuracy": value, "macs": float(sum(choices)), "params": 1.0}
        outcomes.append((Record(index=job.trial.index, ok=True, metrics=metrics), b"w" if job.trial.keep else None))
    return outcomes


def search(kind=WeightedSearch, parameters=FEW):
    return kind(CHAIN_SPACES["nas-bench-macro"], COSTS, scarlet.Goal(), parameters, 0, ("accuracy",))


def audited(kind=WeightedSearch, parameters=FEW):
    return AuditedSearch(search(kind, parameters), Audit(networks=6, epochs=3), COSTS, 0)


def run_of(strategy):
    """Its trials, and the journal."""
    journal = Journal.memory({})
    manager = Manager(strategy, journal)
    manager.run(SerialExecutor(accuracy))
    return manager.trials, journal


def test_one_network_of_each_stratum_of_macs_is_trained_alone_once_the_search_is_over():
    strategy = audited()
    (trials, _), (plain, _) = run_of(strategy), run_of(search())
    assert trials[: len(plain)] == plain  # the search itself is the same
    alone = trials[len(plain) :]
    assert [(trial.role, trial.stop) for trial in alone] == [(ALONE, stop) for stop in (1, 2, 3) for _ in range(6)]
    everything = [member.genotype for member in strategy.search.population]
    chosen = [trial.genotype for trial in alone[:6]]
    assert set(chosen) <= set(everything)

    def macs(genotypes):
        return COSTS(np.array([genotype.choices for genotype in genotypes]))["macs"]

    assert (np.diff(macs(chosen)) >= 0).all()
    ordered, stratum = np.sort(macs(everything)), len(everything) // 6
    assert macs(chosen)[0] <= ordered[stratum]
    assert macs(chosen)[-1] >= ordered[-stratum - 1]


def test_a_search_with_a_surrogate_is_audited_and_continued_too():
    parameters = dataclasses.replace(FEW, evaluations=30, surrogate="gp")
    trials, journal = run_of(audited(SurrogateFront, parameters))
    assert sum(trial.role == ALONE for trial in trials) == 18
    again = audited(SurrogateFront, parameters)
    assert Manager(again, journal).trials == trials
    assert not again.ask(1, len(trials))


# ---------------------------------------------------------------- the finding


def journaled(inherited, alone, macs):
    """Networks with these accuracies, as trials and records of a search."""
    trials, records = [], {}
    for place in range(2 * len(macs)):
        network, by_itself = place % len(macs), place >= len(macs)
        choices = tuple(int(digit) for digit in np.base_repr(network, 3).zfill(8))
        setting = (
            {"setting": ProxySetting(0, 0, 0, 2), "stop": 2, "role": ALONE}
            if by_itself
            else {"setting": None, "stop": 1}
        )
        trials.append(Trial(index=place, genotype=ChainGenotype("nas-bench-macro", choices), start=0, **setting))
        value = (alone if by_itself else inherited)[network]
        records[place] = Record(index=place, ok=True, metrics={"accuracy": value, "macs": macs[network]})
    return audit_result(trials, records, (Objective("accuracy", True),), "accuracy", len(macs), 2)


def test_a_supernet_is_compared_with_macs():
    macs = [float(i) for i in range(10)]
    alone = [0.1, 0.2, 0.4, 0.3, 0.5, 0.6, 0.8, 0.7, 0.9, 0.95]
    better = journaled(alone, alone, macs)
    assert (better.supernet.value, round(better.macs.value, 3)) == (1.0, 0.911)
    assert better.sentence.startswith("The supernet ranks better than counting MACs: of 10 networks near the front")
    assert better.to_dict()["tau_macs"] == better.macs.value
    worse = journaled(alone[::-1], alone, macs)
    assert worse.sentence.startswith("The supernet ranks no better than counting MACs")
    assert "0.91 [" in worse.sentence
    same = journaled([0.5] * 10, alone, macs)
    assert same.sentence.startswith("How well the supernet ranks is unknown")
    assert same.to_dict()["tau_supernet"] is None


# ---------------------------------------------------------------- on images


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """The run folder of a supernet of two epochs."""
    return trained_supernet(tmp_path_factory.mktemp("net") / "run")


def front(net, folder, **options):
    parameters = scarlet.SearchParameters(population=4, generations=1)
    audit = Audit(networks=5, recipe=dataclasses.replace(scarlet.RECIPE, batch=500))
    experiment = scarlet.FrontExperiment(parameters=parameters, group=4, audit=audit, **options)
    return execute(experiment, scarlet.SupernetSource(supernet=net, images=DIGITS), folder)


def test_an_audit_is_in_the_report_and_none_of_the_front(net, tmp_path):
    run = front(net, tmp_path / "run")
    with run.journal() as journal:
        trials = journal.trials()
    alone = {trial.index for trial in trials if trial.role == ALONE}
    assert len(alone) == 10  # as many epochs as the supernet had, in batches that the images fill
    assert not alone & {trial.index for trial in run.front().trials}
    assert run.status["best"]["index"] not in alone
    summary = run.report().summary
    assert (summary["audit"]["networks"], summary["audit"]["epochs"]) == (5, 2)
    assert "of 5 networks near the front, each trained alone for 2 epochs" in run.report().page
    assert run.experiment.audit.recipe.batch == 60


def test_a_search_without_an_audit_says_that_the_ranking_is_unknown(net, tmp_path):
    parameters = scarlet.SearchParameters(population=4, generations=0)
    run = execute(
        scarlet.FrontExperiment(parameters=parameters, group=4),
        scarlet.SupernetSource(supernet=net, images=DIGITS),
        tmp_path / "run",
    )
    assert "is not known: --audit 10" in shown(run.report().page)
    assert "audit" not in run.identity["strategy"]


def test_a_search_killed_while_it_audits_ends_as_it_would_have(net, tmp_path):
    whole = front(net, tmp_path / "whole").digest
    with broken_off(WithTraining, 6), pytest.raises(KeyboardInterrupt):
        front(net, tmp_path / "killed")
    assert front(net, tmp_path / "killed").digest == whole


def test_what_no_audit_can_be_is_refused(net, table, tmp_path):
    with pytest.raises(ValueError, match="at least 5 networks"):
        Audit(networks=4)
    parameters = scarlet.SearchParameters(population=2, generations=0)
    few = scarlet.FrontExperiment(parameters=parameters, audit=Audit(networks=9))
    with pytest.raises(ValueError, match="needs as many evaluations, got 4"):
        execute(few, scarlet.SupernetSource(supernet=net, images=DIGITS), tmp_path / "few")
    with pytest.raises(ValueError, match="expected a supernet of such images"):
        execute(dataclasses.replace(few, audit=Audit(networks=5)), scarlet.TableSource(table=table), tmp_path / "table")
    assert not (tmp_path / "few").exists()
    assert not (tmp_path / "table").exists()
