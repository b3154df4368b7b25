"""Escalation: what becomes of networks, weights and accuracies when an audit raises the setting."""

import numpy as np
import pytest

from econas.history.trajectory import AUDIT, CHILD, PROMOTION, RENEWAL, RETRAIN
from econas.strategy.hierarchical import HierarchicalSearch
from tests.econas.test_audit import NEW, NEWER, OLD, by_role, decisions, said
from zoo.population import Journal, Manager, Record, SerialExecutor
from zoo.spaces.chain_space import NAS_BENCH_201 as SPACE


@pytest.fixture(scope="module")
def raised(run, audited, absurd):
    """A search that is raised after its second cycle, and after its fourth."""
    search, seen = HierarchicalSearch(SPACE, audited(), 3), []

    class Watched:
        alive, tell = (), search.tell

        def ask(self, n, first):
            trials = search.ask(n, first)
            if trials and trials[0].role == CHILD and trials[0].parent is not None:
                seen.append((trials[0].index, search.alive))  # a tournament was held
            return trials

    watched = Watched()
    history = run(watched, accuracy=absurd)
    return search, history, seen


def living(history, cycle, ageing=3):
    """Genotypes of whoever takes part in a cycle, with the last trial of each, by the trials alone."""
    found, born = {}, {}
    for number, trials in enumerate(history.cycles[:cycle]):
        for trial in trials:
            if trial.role in (AUDIT, RETRAIN):
                continue
            if trial.index not in history.accuracies:
                found.pop(trial.genotype, None)
                continue
            if trial.role != RENEWAL:
                born[trial.genotype] = number
            found[trial.genotype] = trial
    return found, born


def test_both_steps_of_the_ladder_are_taken(raised):
    search, history, _ = raised
    assert decisions(search) == ["escalated", "escalated"]
    assert [(str(v.setting), str(v.reference)) for v in search.verdicts] == [
        ("c4r4s0e6", "c3r3s0e6"),
        ("c3r3s0e6", "c2r2s0e6"),
    ]
    assert all(verdict.rho < 0 or verdict.low < 0 for verdict in search.verdicts)
    order = [trial.setting for trial in history.trials if trial.role in (CHILD, PROMOTION, RENEWAL)]
    assert [a for a, b in zip(order, [*order[1:], None], strict=True) if a != b] == [OLD, NEW, NEWER]
    one, other = ({t.genotype for t in by_role(history.trials, AUDIT) if t.setting == s} for s in (NEW, NEWER))
    assert one & other  # an audit at another setting knows nobody yet


def test_all_who_live_are_trained_again_up_to_their_stage_before_the_next_tournament(raised):
    _, history, _ = raised
    cycles = [number for number, cycle in enumerate(history.cycles) if by_role(cycle, RENEWAL)]
    for begin in [number for number in cycles if number - 1 not in cycles]:
        end = next(number for number in range(begin, len(history.cycles)) if number not in cycles)
        renewals = [trial for cycle in history.cycles[begin:end] for trial in cycle]
        assert {trial.role for trial in renewals} == {RENEWAL}
        assert {trial.setting for trial in renewals} == {history.cycles[end][-1].setting}
        before, born = living(history, begin)
        young = sorted(set(born.values()))[
            -3:
        ]  # three cycles after its training a network takes part for the last time
        expected = {genotype: trial.stop for genotype, trial in before.items() if born[genotype] in young}
        reached = {}
        for trial in renewals:
            reached.setdefault(trial.genotype, []).append(trial.stop)
        stages = {2: [2], 4: [2, 4], 6: [2, 4, 6]}
        assert reached == {genotype: stages[stop] for genotype, stop in expected.items()}


def test_resume_chains_stay_at_one_setting(raised):
    _, history, _ = raised
    for trial in history.trials:
        if trial.resumes is not None:
            source = history.trials[trial.resumes]
            assert (source.setting, source.stop, source.genotype) == (trial.setting, trial.start, trial.genotype)


def test_old_accuracies_win_no_tournament_and_no_promotion(raised):
    """Whoever competes has the score of its last trial, at the setting of the day."""
    _, history, seen = raised
    for first, alive in seen:
        setting = history.trials[first].setting
        for network in alive:
            trial = history.trials[network.trial]
            assert (trial.setting, trial.stop) == (setting, 2 * (network.level + 1))
            assert network.score == history.accuracies[network.trial]
            low, high = {OLD: (0.9, 1), NEW: (0.5, 0.6), NEWER: (0, 0.1)}[setting]
            assert low <= network.score <= high
            if not network.level:
                assert network.first == network.score
    for number, cycle in enumerate(history.cycles[1:], start=1):
        if by_role(history.cycles[number - 1], RENEWAL) and by_role(cycle, CHILD):  # right after the renewal
            last = {trial.genotype: trial for part in history.cycles[:number] for trial in by_role(part, RENEWAL)}
            for stop, most in ((2, 4), (4, 2)):
                field = [t for t in last.values() if (t.stop, t.setting) == (stop, cycle[0].setting)]
                field.sort(key=lambda trial: (-history.accuracies[trial.index], trial.index))
                promoted = [t.resumes for t in by_role(cycle, PROMOTION) if t.start == stop]
                assert promoted == [trial.index for trial in field[: min(most, len(field) // 2)]]


def test_finalists_are_of_the_newest_setting_first_and_nobody_is_one_twice(run, audited, absurd, raised):
    _, history, _ = raised
    mature = [t for t in history.trials if t.stop == 6 and t.role not in (AUDIT, RETRAIN)]
    rank = {OLD: 2, NEW: 1, NEWER: 0}
    mature.sort(key=lambda trial: (rank[trial.setting], -history.accuracies[trial.index], trial.index))
    expected = list(dict.fromkeys(trial.genotype for trial in mature))
    assert [trial.genotype for trial in by_role(history.trials, RETRAIN)] == expected[:2]
    search = HierarchicalSearch(SPACE, audited(finalists=30), 3)
    many = run(search, accuracy=absurd)
    finalists = [trial.genotype for trial in by_role(many.trials, RETRAIN)]
    assert finalists[: len(expected)] == expected
    assert len(set(finalists)) == len(finalists) == 30
    assert len(expected) < len(mature)


def test_who_fails_its_renewal_is_gone(run, audited, absurd):
    search = HierarchicalSearch(SPACE, audited(cycles=(2,)), 3)
    history = run(search, accuracy=absurd, fails=lambda trial: trial.role == RENEWAL and trial.index % 3 == 0)
    lost = {trial.genotype for trial in by_role(history.trials, RENEWAL) if trial.index % 3 == 0}
    end = max(trial.index for trial in by_role(history.trials, RENEWAL))
    assert lost
    assert decisions(search) == ["escalated"]
    keys = {genotype.key for genotype in lost}
    after = [trial for trial in history.trials if trial.index > end and trial.role != RETRAIN]
    assert after
    assert not [trial for trial in after if trial.parent in keys or trial.genotype in lost]
    for trial in by_role(history.trials, RENEWAL):
        assert trial.resumes is None or trial.resumes % 3


def test_where_every_renewal_fails_the_old_finalists_are_left(run, audited, absurd):
    search = HierarchicalSearch(SPACE, audited(cycles=(3,)), 3)
    history = run(search, accuracy=absurd, fails=lambda trial: trial.role == RENEWAL)
    assert {trial.role for trial in history.cycles[-2]} == {RENEWAL}
    mature = [trial for trial in history.trials if trial.stop == 6 and trial.role == PROMOTION]
    mature.sort(key=lambda trial: (-history.accuracies[trial.index], trial.index))
    assert [trial.genotype for trial in history.cycles[-1]] == [trial.genotype for trial in mature[:2]]
    assert [one.trial for one, _ in search.finalists] == [trial.index for trial in mature[:2]]


def test_old_weights_are_forgotten_when_the_setting_is_raised(raised):
    _, history, seen = raised
    for first, alive in seen:
        kept = {one.trial for one in alive if one.level < 2}
        assert {history.trials[trial].setting for trial in kept} <= {history.trials[first].setting}


# ---------------------------------------------------------------- through the manager


def manage(audited, journal, weights, executor):
    search = HierarchicalSearch(SPACE, audited(start=6, parents=(3, 1, 1), networks=4), 7)
    assert Manager(search, journal, weights, 2).run(executor)
    return search


@pytest.fixture(scope="module")
def answering(absurd, trained):
    """Weights as ever; audits disagree, but not wholly, so that their interval depends on every pair."""

    def noisy(trial):
        chance = np.random.default_rng((trial.index, 1)).normal() / 100
        return absurd(trial) + chance

    return lambda jobs: trained(jobs, accuracy=noisy)


@pytest.fixture(scope="module")
def undisturbed(audited, answering, shelf):
    journal = Journal.memory({})
    search = manage(audited, journal, shelf(), SerialExecutor(answering))
    assert journal.counts()["failed"] == 0
    assert "escalated" in decisions(search)
    assert not np.isnan([verdict.rho for verdict in search.verdicts]).any()
    return journal, said(search)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_any_number_of_workers_gives_the_same_digest_and_verdicts(
    audited, answering, workers, shelf, undisturbed, count, seed
):
    journal = Journal.memory({})
    search = manage(audited, journal, shelf(), workers(count, seed, answering))
    assert journal.digest() == undisturbed[0].digest()
    assert said(search) == undisturbed[1]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_event_it_ends_as_if_undisturbed(
    audited, answering, workers, shelf, undisturbed, torn, killed, after
):
    for lives in range(0, len(undisturbed[0].events()), 5):  # odd: asks and tells in turn
        journal, weights = Journal.memory({}), shelf()
        with pytest.raises(killed):
            manage(audited, torn(journal, lives, after), weights, workers(2, lives, answering))
        search = manage(audited, journal, weights, workers(3, lives + 1, answering))
        assert journal.digest() == undisturbed[0].digest()
        assert said(search) == undisturbed[1]


def test_the_total_grows_with_the_setting_and_is_never_below_what_was_paid(audited, absurd):
    numbers = audited()
    search, paid, totals, count = HierarchicalSearch(SPACE, numbers, 3), 0.0, [], 0
    while trials := search.ask(1, count):
        paid += sum(numbers.price(trial.setting) * (trial.stop - trial.start) for trial in trials)
        count += len(trials)
        totals.append(search.total)
        assert paid <= search.total
        search.tell([Record(index=t.index, ok=True, metrics={"accuracy": absurd(t)}) for t in trials])
    assert totals[0] == pytest.approx(numbers.total)
    assert paid > numbers.total  # a bar that kept to it would be beyond its end
    assert search.total < 1.2 * paid
