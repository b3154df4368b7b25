"""What a journal tells of a search: networks, populations, lineage, survival and costs, against the search itself."""

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import spearmanr

import econas.history.trajectory as course
import econas.strategy.hierarchical as search
from econas.history.costs import Cost, costs, idle_share
from econas.history.history import history
from econas.history.lineage import changes, describe, lineage, to_dict
from econas.history.survival import audited, cycles, passages
from econas.strategy.audit import Auditing, Step
from econas.strategy.baselines import RandomBaseline, evolution_then_retrain
from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.spaces import ECONAS_SEARCH
from zoo.spaces.chain_space import NAS_BENCH_201, NAS_BENCH_MACRO, chosen_names
from zoo.spaces.genotype import ChainGenotype, genotype_from_dict

STEPS = (Step(ProxySetting.parse("c2r4s0e6"), 2.0), Step(ProxySetting.parse("c0r4s0e6"), 3.0))


@pytest.fixture(scope="module")
def numbers(small):
    return small(cycles=8, parents=(4, 2, 2), start=10, promotions=(4, 2), final_every=3)


@pytest.fixture(scope="module")
def whole(numbers, journaled):
    return history(journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, workers=3))


@pytest.fixture(scope="module")
def escalating(small):
    """Numbers of a search whose audits disagree with everything, so that the setting is raised twice."""
    audit = Auditing(mode="escalate", cycles=(3, 6), ladder=STEPS, networks=6, limit=0.9, share=0.3)
    return small(cycles=9, start=10, parents=(4, 2, 2), promotions=(4, 2), budget=2500.0, final_price=4.0, audit=audit)


@pytest.fixture(scope="module")
def raised(escalating, journaled):
    strategy = search.HierarchicalSearch(ECONAS_SEARCH, escalating, 0)
    return strategy, history(journaled(strategy, escalating, accuracy=_scattered))


def _scattered(trial):
    rng = np.random.default_rng(int(trial.genotype.key[:8], 16) + 1000 * trial.stop + trial.setting.c)
    return float(rng.random())


def test_a_search_asks_for_these_roles_and_no_others(raised):
    assert {one.trial.role for one in raised[1].trainings} == set(course.ROLES)


def test_reading_needs_no_torch():
    modules = ", ".join(f"econas.history.{name}" for name in ("history", "lineage", "survival", "costs", "pictures"))
    code = f"import sys, {modules}\nprint('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_populations_hold_who_was_trained_that_far(whole, numbers):
    assert [(level.stop, str(level.setting)) for level in whole.levels] == [(s, "c4r4s0e6") for s in numbers.stages]
    assert [whole.label(level) for level in whole.levels] == ["P2", "P4", "P6"]
    for one in whole.trainings:
        first = whole.networks[one.network].genotype
        assert first == one.trial.genotype
        assert (one.level is None) == (one.trial.role == "retrain")
    for network in whole.networks.values():
        stops = [one.trial.stop for one in network.trainings]
        assert stops == list(numbers.stages)[: len(stops)]


def test_cycles_are_the_searchs(whole, numbers, run):
    told = run(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0)).cycles
    wanted = {trial.index: number for number, cycle in enumerate(told) for trial in cycle if trial.role != "retrain"}
    assert {one.trial.index: one.cycle for one in whole.trainings if one.cycle is not None} == wanted
    for cycle in cycles(whole):
        part = [trial for trial in told[cycle.number] if trial.role != "retrain"]
        stops = [trial.stop for trial in part if trial.role == "promotion"]
        assert cycle.children == sum(trial.role == "child" for trial in part)
        assert cycle.promoted == (0, stops.count(4), stops.count(6))


def test_a_lineage_goes_from_a_random_network_to_the_winner(whole):
    line = lineage(whole.networks, whole.winner.network)
    assert line[0].network.parent is None
    assert line[0].changes == ()
    assert line[-1].network.genotype == whole.winner.trial.genotype
    for parent, child in pairwise(line):
        asked = whole.trainings[child.network.number].trial
        assert asked.parent == parent.network.genotype.key
        assert child.changes
        assert list(child.changes) == list(changes(parent.network.genotype, child.network.genotype))


def test_a_change_says_what_was_and_is_there():
    rng = np.random.default_rng(0)
    for _ in range(50):
        parent = ECONAS_SEARCH.sample(rng)
        child = ECONAS_SEARCH.mutate(parent, rng)
        (change,) = changes(parent, child)
        (back,) = changes(child, parent)
        assert (change.place, change.before, change.after) == (back.place, back.after, back.before)
        old, new = change.before.split(" of "), change.after.split(" of ")
        assert (old[0] == new[0]) != (old[1] == new[1])  # an operation, or an input
        assert change.place.split(",")[0] in ("normal cell", "reduction cell")
    assert list(changes(parent, parent)) == []


def test_chains_change_by_position_and_by_their_spaces_names():
    old, new = ChainGenotype("nas-bench-201", (0, 1, 2, 3, 4, 0)), ChainGenotype("nas-bench-201", (0, 1, 3, 3, 4, 0))
    (change,) = changes(old, new)
    assert change.to_dict() == {"place": "position 3", "before": "nor_conv_1x1~1", "after": "nor_conv_3x3~1"}
    assert chosen_names(ChainGenotype(NAS_BENCH_MACRO.name, (0, 1, 2, 0, 0, 0, 0, 0)))[:3] == ["0", "1", "2"]
    assert chosen_names(ChainGenotype("elsewhere", (7, 1))) == ["7", "1"]
    assert describe(old) == NAS_BENCH_201.write(old.choices)


def test_survival_is_counted_and_its_rho_is_scipys(whole):
    by_trial = {one.trial.index: one for one in whole.trainings}
    for way, stop in zip(passages(whole), (4, 6), strict=False):
        later = [one for one in whole.trainings if one.trial.stop == stop and one.trial.role == "promotion"]
        before = [by_trial[one.trial.resumes].accuracy for one in later]
        assert way.passed == len(later)
        at = by_trial[later[0].trial.resumes].level
        assert way.trained == sum(one.level == at for one in whole.trainings)
        assert way.rho.value == pytest.approx(spearmanr(before, [one.accuracy for one in later]).statistic)
        assert way.rho.low <= way.rho.value <= way.rho.high


def test_the_winner_is_the_best_of_the_retrained(numbers, journaled):
    strategy = search.HierarchicalSearch(ECONAS_SEARCH, numbers, 3)
    journal = journaled(strategy, numbers)
    found, records = history(journal), journal.records()
    trials = [trial for _, trial in strategy.finalists]
    assert found.winner.trial.index == min(trials, key=lambda i: (-records[i].metrics["accuracy"], i))
    assert found.retrained
    assert [one.curve[-1].trial.index for one in found.finalists] == trials
    assert {len(one.curve) for one in found.finalists} == {3}  # nine epochs, three a trial
    assert found.unfinished == ""


def test_costs_are_what_was_paid(raised):
    strategy, found = raised
    parts = {one.name: one for one in costs(found)}
    assert set(parts) == {"children", "promotions", "renewals", "audits", "retraining"}
    assert math.fsum(one.share for one in parts.values()) == pytest.approx(1)
    whole = Cost.sum(parts.values())
    assert whole.trainings == len(found.trainings)
    assert whole.epochs == sum(one.trial.stop - one.trial.start for one in found.trainings)
    assert whole.price == pytest.approx(found.spent)
    assert parts["retraining"].price == 4 * parts["retraining"].epochs
    assert parts["audits"].price == pytest.approx(strategy._state.audits_spent)
    assert found.spent - parts["retraining"].price == pytest.approx(strategy._state.spent)
    assert max(one.paid for one in found.trainings) == pytest.approx(found.spent)


def test_settings_never_compete(raised):
    _, found = raised
    assert [str(level.setting) for level in found.levels] == ["c4r4s0e6"] * 3 + ["c2r4s0e6"] * 3 + ["c0r4s0e6"] * 3
    assert len({found.label(level) for level in found.levels}) == 9
    assert "P2 c4r4s0" in map(found.label, found.levels)
    for way in passages(found)[:-1]:
        assert way.source.split()[1] == way.target.split()[1]


def test_who_leads_has_ended_its_schedule_and_then_the_newest_setting(raised, escalating, journaled):
    _, found = raised
    trainings = [one for one in found.trainings if one.level]
    renewed = [one.trial.index for one in trainings if one.level.place == 1]
    first = next(one.trial.index for one in trainings if one.level.place == 1 and one.level.last)
    for steps, place in ((renewed[0] + 2, 0), (first + 3, 1)):
        strategy = search.HierarchicalSearch(ECONAS_SEARCH, escalating, 0)
        part = history(journaled(strategy, escalating, accuracy=_scattered, steps=steps, batch=1))
        assert max(level.place for level in part.levels) == 1
        leads = part.winner.level
        assert (leads.last, leads.place) == (True, place)
        assert part.winner.accuracy == max(one.accuracy for one in part.trainings if one.level == leads)


def test_audits_are_read_as_the_search_saw_them(raised):
    strategy, found = raised
    pairs = [[(one.before, one.after) for one in way.pairs] for way in audited(found)]
    assert pairs == [strategy._pairs[step] for step in sorted(strategy._pairs)]
    for way, verdict in zip(audited(found), strategy.verdicts, strict=True):
        assert way.rho.value == pytest.approx(verdict.rho)
    assert {one.number for one in cycles(found) if one.audits} == {verdict.cycle for verdict in strategy.verdicts}


def test_a_run_that_was_stopped_says_what_is_missing(numbers, journaled):
    def stopped(steps):
        return history(journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, steps=steps))

    total = len(stopped(None).trainings)
    for steps in range(1, total, 7):
        found = stopped(steps)
        assert found.unfinished, steps
        assert found.winner is not None
    early = stopped(4)
    assert early.unfinished == "0 of 2 networks are retrained"
    assert not early.retrained
    assert early.winner.accuracy == max(one.accuracy for one in early.trainings)
    assert stopped(total - 3).unfinished == "2 of 2 retrained networks are not at their last epoch"
    assert stopped(total).unfinished == ""


def test_what_was_asked_and_not_told_is_pending(numbers, journaled):
    journal = journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, steps=4)
    genotype = ECONAS_SEARCH.sample(np.random.default_rng(9))
    journal.append_ask(1, [Trial(index=4, genotype=genotype, setting=numbers.setting, start=0, stop=2)])
    found = history(journal)
    assert found.trainings[4].state == "pending"
    assert math.isnan(found.trainings[4].paid)
    assert found.unfinished == "1 training had begun and not ended"


def test_one_stage_has_no_promotions(small, journaled):
    numbers = small(stages=(6,), parents=(4,), promotions=(), cycles=4)
    found = history(journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers))
    (way,) = passages(found)
    assert (way.source, way.target) == ("P6", "retraining")
    assert [one.children for one in cycles(found)] == [5, 4, 4, 4, 4]


def test_baselines_have_histories_too(small, journaled):
    numbers = small(budget=200.0, stages=(6,), parents=(4,), promotions=())
    evolution = evolution_then_retrain(ECONAS_SEARCH, numbers, 0, population=6, sample=3)
    found = history(journaled(evolution, {"parameters": numbers.to_dict() | {"population": 6}}, name="evolution"))
    assert found.retrained
    assert cycles(found) == []
    assert len(lineage(found.networks, found.winner.network)) >= 1
    random = RandomBaseline(ECONAS_SEARCH, numbers.setting, 60.0, 0)
    found = history(journaled(random, {"parameters": {"budget": 60.0}}, name="random"))
    assert (found.parameters, found.unfinished, passages(found), len(found.networks)) == (None, "", [], 10)


def test_failures_are_read_and_win_nothing(numbers, journaled):
    strategy = search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0)
    found = history(journaled(strategy, numbers, fails=lambda trial: trial.index % 5 == 1))
    failed = [one for one in found.trainings if one.state == "failed"]
    assert {one.trial.index % 5 for one in failed} == {1}
    assert all(math.isnan(one.accuracy) and one.epochs > 0 and one.reason == "diverged" for one in failed)
    assert Cost.sum(costs(found)).failed == len(failed)
    dead = history(journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, fails=lambda trial: True))
    assert dead.winner is None
    assert dead.unfinished == ""


def test_idle_time_is_what_workers_did_not_work(numbers, journaled):
    journal = journaled(search.HierarchicalSearch(ECONAS_SEARCH, numbers, 0), numbers, steps=3)
    assert math.isnan(idle_share(history(journal)))
    journal.set(
        "sessions", [{"workers": 2, "wall_s": 10.0, "busy_s": 15.0}, {"workers": 4, "wall_s": 5.0, "busy_s": 5.0}]
    )
    found = history(journal)
    assert [one.idle for one in found.sessions] == [5.0, 15.0]
    assert idle_share(found) == pytest.approx(0.5)


def test_an_empty_journal_and_other_runs_are_refused(numbers):
    identity = {"strategy": {"name": "study"}}
    with pytest.raises(ValueError, match="nothing yet"):
        history(Journal.memory(identity))
    journal = Journal.memory(identity)
    genotype = ECONAS_SEARCH.sample(np.random.default_rng(0))
    journal.append_ask(
        1, [Trial(index=0, genotype=genotype, setting=numbers.setting, start=0, stop=6, role="reference")]
    )
    journal.append_tell([Record(index=0, ok=True, metrics={"accuracy": 0.5})])
    with pytest.raises(ValueError, match="the run is a 'study', expected a search"):
        history(journal)


def test_an_ancestor_is_json_ready(whole):
    line = [to_dict(one) for one in lineage(whole.networks, whole.winner.network)]
    assert genotype_from_dict(line[-1]["genotype"]) == whole.winner.trial.genotype
    assert [one["parent"] for one in line] == [None, *(one["trial"] for one in line[:-1])]
    assert [one["epochs"] for one in line[-1]["accuracies"]] == [2, 4, 6]
