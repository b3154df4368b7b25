"""A comparison after a search: who is trained, in which order, and what a journal brings back."""

import dataclasses

import pytest

from tests.interrupted import interrupted, searched
from zoo.population import FixedList, Journal, ProxySetting, Record, Trial
from zoo.population.trial import ALONE
from zoo.spaces import PUBLISHED, Skeleton
from zoo.training.comparison import (
    BASELINE,
    WINNER,
    Compared,
    ComparisonTerms,
    affordable_repeats,
    check_repeats,
    compared_setup,
    is_compared,
)
from zoo.training.setup import TrainingSetup

SETTING = ProxySetting(0, 0, 0, 2)
FOUND = PUBLISHED["NASNET_A"]
TERMS = ComparisonTerms(repeats=2, setting=SETTING, every=1, skeleton=Skeleton(channels=16, cells=8))


def compared(repeats=2, found=FOUND):
    """A search of one training that ends with a known winner, and its comparison."""
    trial = Trial(index=0, genotype=FOUND, setting=SETTING, start=0, stop=2, role="retrain")

    def winner(records):
        assert set(records) == {0}  # of the search alone
        return found

    return Compared(FixedList([trial]), winner, dataclasses.replace(TERMS, repeats=repeats))


def training(jobs, fails=lambda trial: False):
    return [
        (Record(index=job.trial.index, ok=False, reason="diverged"), None)
        if fails(job.trial)
        else (Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), b"w" if job.trial.keep else None)
        for job in jobs
    ]


def plan(journal):
    return [
        (trial.tags["side"], trial.tags["repeat"], trial.tags["of"], trial.start)
        for trial in journal.trials()
        if is_compared(trial)
    ]


def test_the_winner_and_the_baseline_are_trained_anew_as_often_as_wanted():
    journal = searched(compared(), training, batch=4)._journal
    sides = [(side, repeat, 2) for side in (WINNER, BASELINE) for repeat in (0, 1)]
    assert plan(journal) == [(*one, start) for start in (0, 1) for one in sides]
    own = [trial for trial in journal.trials() if is_compared(trial)]
    assert {trial.role for trial in own} == {ALONE}
    assert {trial.genotype.key for trial in own} == {FOUND.key, PUBLISHED["DARTS_V2"].key}
    widths = {trial.tags["side"]: trial.tags["channels"] for trial in own}
    assert widths[WINNER] == 16
    assert widths[BASELINE] != 16
    roots = [trial.index for trial in own if trial.start == 0]
    assert len(set(roots)) == 4  # which seed the trainings


def test_the_search_is_over_before_anything_is_compared():
    strategy = compared()
    (first,) = strategy.ask(3, 0)
    assert not is_compared(first)
    assert strategy.ask(3, 1) == []
    strategy.tell([Record(index=0, ok=True)])
    assert is_compared(strategy.ask(3, 1)[0])


@pytest.mark.parametrize("calls", range(1, 10))
def test_a_comparison_goes_on_from_its_journal(calls):
    whole = searched(compared(), training, batch=1)._journal.digest()
    if calls == 9:  # one for the search and eight for the comparison: it has ended
        return
    journal = interrupted(compared(), training, batch=1, calls=calls)
    searched(compared(), training, batch=1, journal=journal)
    assert journal.digest() == whole


def test_repeats_can_be_added_and_not_taken_away():
    journal = Journal.memory({})
    for repeats in (2, 3, 2, 0):
        searched(compared(repeats), training, batch=1, journal=journal)
    later = [(side, 2, 3, start) for start in (0, 1) for side in (WINNER, BASELINE)]
    assert plan(journal) == [*plan(searched(compared(2), training, batch=1)._journal), *later]


def test_more_repeats_wait_for_those_that_were_begun():
    """Whoever is free first must not change what is asked."""
    begun = searched(compared(2), training, batch=1)._journal.trials()
    strategy = compared(3)
    strategy.recall(begun)
    asked = strategy.ask(9, 0)
    strategy.tell([Record(index=0, ok=True)])
    while trials := strategy.ask(9, len(asked)):
        asked += trials
    assert asked == begun[:5]
    strategy.tell([Record(index=index, ok=True) for index in range(1, 5)])
    assert strategy.ask(9, 5) == begun[5:6]


def test_a_trial_is_trained_with_as_many_channels_as_its_tags_say():
    setup = TrainingSetup(skeleton=TERMS.skeleton)
    own = [trial for trial in searched(compared(), training, batch=1)._journal.trials() if is_compared(trial)]
    widths = [compared_setup(setup, trial).skeleton.channels for trial in own]
    assert widths == [trial.tags["channels"] for trial in own]
    assert len(set(widths)) == 2
    assert compared_setup(setup, own[0]) == setup


def test_a_training_that_fails_is_left_out_and_the_others_go_on():
    def fails(trial):
        return trial.tags.get("repeat") == 0 and trial.tags.get("side") == BASELINE

    manager = searched(compared(), lambda jobs: training(jobs, fails), batch=1)
    last = [trial for trial in manager.trials if trial.start == 1]
    assert [(trial.tags["side"], trial.tags["repeat"]) for trial in last] == [(WINNER, 0), (WINNER, 1), (BASELINE, 1)]


def test_a_search_that_found_nothing_is_compared_with_nothing():
    assert plan(searched(compared(found=None), training, batch=1)._journal) == []


def test_a_comparison_is_held_unasked_where_it_costs_less_than_a_fifth_of_everything():
    assert affordable_repeats(1.0, 24.1) == 3
    assert affordable_repeats(1.0, 24.0) == 0


@pytest.mark.parametrize("repeats", [1, -1])
def test_numbers_of_repeats_that_say_nothing_are_refused(repeats):
    with pytest.raises(ValueError, match="expected --compare 2 or more repeats"):
        check_repeats(repeats)
