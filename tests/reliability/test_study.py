import itertools
from dataclasses import replace

import pytest

from zoo.population import GenotypeSequence, ProxySetting, Record
from zoo.reliability.looks import Decision, Look
from zoo.reliability.study import LOOK, PROXY, REFERENCE, SCORE, Study
from zoo.spaces import ECONAS_ZOO

GOAL = ProxySetting.parse("c0r0s0e6")
GRID = [ProxySetting.parse(text) for text in ("c4r4s1e2", "c2r0s0e3", "c4r0s0e2")]


def study(*growth, repeats=2, batch=1, seed=0, settings=GRID, scores=()):
    return Study(ECONAS_ZOO, settings, GOAL, repeats=repeats, growth=growth, batch=batch, seed=seed, scores=scores)


def asked(strategy, n):
    """Batches until the strategy is finished; a study never waits."""
    batches = []
    while trials := strategy.ask(n, sum(map(len, batches))):
        batches.append(trials)
    return batches


def flat(strategy, n=1):
    return list(itertools.chain(*asked(strategy, n)))


def network(trial, seed=0):
    sequence = GenotypeSequence(ECONAS_ZOO, seed)
    return next(i for i in range(20) if sequence[i] == trial.genotype)


def test_every_network_gets_the_reference_first_then_the_grid_in_order():
    found = [(network(t), t.role, t.setting) for t in flat(study(3))]
    each = [(REFERENCE, GOAL), (REFERENCE, GOAL), *((PROXY, setting) for setting in GRID)]
    assert found == [(i, role, setting) for i in range(3) for role, setting in each]


def test_a_block_of_networks_goes_through_every_setting_before_the_next_block():
    batches = asked(study(5, batch=2), 2)
    found = [([network(t) for t in batch], batch[0].role, batch[0].setting) for batch in batches]
    each = [(REFERENCE, GOAL), (REFERENCE, GOAL), *((PROXY, setting) for setting in GRID)]
    assert found == [(block, *what) for block in ([0, 1], [2, 3], [4]) for what in each]


def test_trials_train_from_the_first_to_the_last_epoch_and_keep_nothing():
    for index, trial in enumerate(flat(study(2))):
        assert trial.index == index
        assert (trial.start, trial.stop) == (0, trial.setting.e)
        assert (trial.resumes, trial.parent, trial.keep) == (None, None, False)
    assert study(2).resumable() == set()


def test_repeats_of_the_reference_are_trials_of_their_own():
    trials = flat(study(2, repeats=3))
    assert [t.role for t in trials[:6]] == [REFERENCE] * 3 + [PROXY] * 3
    assert len({t.index for t in trials}) == len(trials) == 2 * (3 + 3)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_batch_never_mixes_settings_however_many_are_asked_for(n, batch):
    batches = asked(study(4, batch=batch), n)
    assert all(len({(t.setting, t.role) for t in trials}) == 1 for trials in batches)
    assert max(map(len, batches)) == min(n, batch)
    assert list(itertools.chain(*batches)) == flat(study(4, batch=batch))


@pytest.mark.parametrize("growth", [(1,), (5,), (2, 5), (1, 2, 3)])
@pytest.mark.parametrize("batch", [1, 2])
def test_everything_is_what_would_be_asked_to_the_end(growth, batch):
    strategy = study(*growth, batch=batch)
    first = strategy.ask(batch, 0)
    everything = list(strategy.everything())
    assert everything == flat(study(*growth, batch=batch), batch)
    assert everything == list(strategy.everything())
    following = strategy.ask(batch, len(first))
    assert everything[: len(first) + len(following)] == first + following, "looking must not ask for anything"


def test_nothing_depends_on_what_a_study_is_told():
    strategy = study(3)
    found = []
    while trials := strategy.ask(1, len(found)):
        found += trials
        strategy.tell([Record(index=t.index, ok=False, reason="diverged") for t in trials])
    assert found == flat(study(3))


# ---------------------------------------------------------------- growth


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("growth", [(1, 4), (3, 4), (2, 3, 7)])
def test_a_grown_study_begins_with_what_it_was(growth, batch):
    whole = flat(study(*growth, batch=batch))
    for steps in range(1, len(growth)):
        smaller = flat(study(*growth[:steps], batch=batch))
        assert whole[: len(smaller)] == smaller


@pytest.mark.parametrize("batch", [1, 3])
def test_a_grown_study_measures_what_a_large_one_does(batch):
    grown, large = flat(study(2, 3, 7, batch=batch)), flat(study(7, batch=batch))
    assert {(t.genotype.key, t.setting, t.role) for t in grown} == {(t.genotype.key, t.setting, t.role) for t in large}
    assert len(grown) == len(large) == 7 * 5
    for trials in (grown, large):
        assert sorted(network(t) for t in trials if t.setting == GRID[0]) == list(range(7))


def test_another_seed_draws_other_networks():
    assert not {t.genotype.key for t in flat(study(3))} & {t.genotype.key for t in flat(study(3, seed=1))}


# ---------------------------------------------------------------- scores


@pytest.mark.parametrize("batch", [1, 2])
def test_scores_come_first_and_train_nothing(batch):
    batches = asked(study(2, batch=batch, scores=("synflow", "zico")), batch)
    found = [(network(b[0]), b[0].role, b[0].measure, b[0].setting) for b in batches]
    each = [
        (SCORE, "synflow", GOAL),
        (SCORE, "zico", GOAL),
        *[(REFERENCE, "training", GOAL)] * 2,
        *((PROXY, "training", setting) for setting in GRID),
    ]
    assert found == [(i, *what) for i in range(0, 2, batch) for what in each]
    scored = [t for b in batches for t in b if t.role == SCORE]
    assert {(t.start, t.stop, t.keep) for t in scored} == {(0, 0, False)}
    assert all(len({(t.measure, t.setting) for t in b}) == 1 for b in batches)


# ---------------------------------------------------------------- more repeats


def test_more_repeats_are_asked_of_all_networks_after_everything_else():
    before, grown = flat(study(3, batch=2), 2), flat(study(3, 3, repeats=(2, 4), batch=2), 2)
    assert grown[: len(before)] == before
    later = [(network(t), t.role, t.setting) for t in grown[len(before) :]]
    assert later == [(i, REFERENCE, GOAL) for block in ([0, 1], [0, 1], [2], [2]) for i in block]


def test_networks_and_repeats_grow_in_any_order():
    sizes = [(2, 1), (2, 2), (4, 2), (5, 3)]
    models, repeats = zip(*sizes, strict=True)
    whole = flat(study(*models, repeats=repeats))
    for steps in range(1, 4):
        smaller = flat(study(*models[:steps], repeats=repeats[:steps]))
        assert whole[: len(smaller)] == smaller
    for i in range(5):
        mine = [t.role for t in whole if network(t) == i]
        assert (mine.count(REFERENCE), mine.count(PROXY)) == (3, 3)


@pytest.mark.parametrize(
    ("models", "repeats", "message"),
    [
        ((3, 3), (2, 2), "must be positive and ascend"),
        ((3, 2), (2, 3), "must be positive and ascend"),
        ((3, 4), (2, 1), r"repeats must ascend, got \[2, 1\]"),
        ((3, 4), (0, 1), "at least 1, got 0"),
        ((3, 4), (2,), "zip"),
    ],
)
def test_repeats_must_ascend(models, repeats, message):
    with pytest.raises(ValueError, match=message):
        study(*models, repeats=repeats)


# ---------------------------------------------------------------- until decided


class Judge:
    """Answers as it was told to; notes what it was asked."""

    def __init__(self, answers, sizes=(4, 6, 8)):
        self.answers, self.heard = answers, []
        self.looks = [Look(size, 0.99, size == sizes[-1]) for size in sizes]

    def decide(self, look, told, kept, repeats):
        self.heard.append((look.networks, len(told.trials()), len(told.records()), [str(one) for one in kept], repeats))
        answer, dropped = self.answers.get(look.networks, ("open", ()))
        return Decision(
            networks=look.networks, level=look.level, last=look.last, answer=answer, target=0.8, at_least=4,
            dropped=dropped,
        )  # fmt: skip


def told(trials):
    return [Record(index=t.index, ok=True, metrics={"accuracy": 0.5}) for t in trials]


def run(strategy, n=1):
    """Everything a strategy asks for that is told at once what it asked."""
    trials = []
    while batch := strategy.ask(n, len(trials)):
        trials += batch
        strategy.tell(told(batch))
    return trials


def count(trials):
    return len({t.genotype.key for t in trials})


def test_a_study_that_decides_nothing_measures_all_networks_and_no_more():
    judge = Judge({})
    trials = run(study(8).until(judge))
    assert [t.to_dict() | {"tags": {}} for t in trials] == [t.to_dict() | {"tags": {}} for t in flat(study(8))]
    names = [str(setting) for setting in GRID]
    assert judge.heard == [(size, 5 * size, 5 * size, names, 2) for size in (4, 6, 8)]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batches_end_at_looks(batch):
    batches, strategy = [], study(8, batch=batch).until(Judge({}))
    while trials := strategy.ask(batch, sum(map(len, batches))):
        batches.append([network(t) for t in trials])
        strategy.tell(told(trials))
    assert all(max(b) < size or min(b) >= size for b in batches for size in (4, 6, 8))


def test_a_look_waits_until_everything_before_it_is_told():
    judge = Judge({})
    strategy = study(8).until(judge)
    trials = asked(strategy, 1)
    assert len(trials) == 4 * 5
    for batch in reversed(trials[1:]):
        strategy.tell(told(batch))
        assert strategy.ask(1, 20) == []
        assert strategy.decisions == ()
    strategy.tell(told(trials[0]))
    assert network(strategy.ask(1, 20)[0]) == 4
    assert len(strategy.decisions) == 1


@pytest.mark.parametrize("answer", ["safe", "none", "ceiling"])
def test_a_look_ends_a_study(answer):
    strategy = study(8).until(Judge({6: (answer, ())}))
    trials = run(strategy)
    assert count(trials) == 6
    assert [decision.answer for decision in strategy.decisions] == ["open", answer]
    assert strategy.ask(1, len(trials)) == []
    assert list(strategy.everything()) == [replace(t, tags={}) for t in trials]


def test_a_dropped_setting_is_trained_no_more_and_counts_no_more():
    judge = Judge({4: ("open", ("c2r0s0e3",))})
    strategy = study(8).until(judge)
    assert len(strategy.everything()) == 8 * 5
    trials = run(strategy)
    assert [sum(t.setting == setting for t in trials) for setting in GRID] == [8, 4, 8]
    assert [kept for *_, kept, _ in judge.heard][1:] == [["c4r4s1e2", "c4r0s0e2"]] * 2
    assert len(strategy.everything()) == len(trials) == 8 * 5 - 4


def test_the_first_trial_after_a_look_says_what_was_decided():
    strategy = study(8, batch=2).until(Judge({4: ("open", ("c2r0s0e3",))}))
    trials = run(strategy, 2)
    said = {network(t): Decision.from_dict(t.tags[LOOK]) for t in trials if t.tags}
    assert said == {4: strategy.decisions[0], 6: strategy.decisions[1]}
    assert [t.role for t in trials if t.tags] == [REFERENCE] * 2


def test_what_the_journal_says_is_not_decided_again():
    first = study(8).until(Judge({4: ("open", ("c2r0s0e3",))}))
    journal = run(first)
    other = Judge({4: ("safe", ()), 6: ("none", ()), 8: ("safe", ())})
    again = study(8).until(other)
    again.recall(journal)
    assert run(again) == journal
    assert [size for size, *_ in other.heard] == [8], "nothing follows the last look"
    assert again.decisions[:2] == first.decisions[:2]
    assert again.decisions[2].answer == "safe"


def test_a_look_that_nothing_follows_is_decided_again():
    journal = run(study(8).until(Judge({6: ("safe", ())})))
    again = study(8).until(Judge({}))
    again.recall(journal)
    trials = run(again)
    assert trials[: len(journal)] == journal
    assert count(trials) == 8


def test_a_decided_study_that_grows_goes_on_to_its_next_look():
    answers = {4: ("safe", ())}
    ended = run(study(8).until(Judge(answers)))
    judge = Judge(answers | {6: ("safe", ())})
    strategy = study(8, 10).until(judge)
    strategy.recall(ended)
    grown = run(strategy)
    assert grown[: len(ended)] == ended
    assert count(grown) == 6
    assert Decision.from_dict(grown[len(ended)].tags[LOOK]).answer == "safe"
    again = study(8, 10).until(Judge({4: ("open", ()), 6: ("safe", ())}))
    again.recall(grown)
    assert run(again) == grown, "that it had ended is in the journal, too"


def test_networks_after_the_last_look_are_measured_without_one():
    judge = Judge({})
    trials = run(study(8, 11).until(judge))
    assert count(trials) == 11
    assert [size for size, *_ in judge.heard] == [4, 6, 8]


def test_more_repeats_of_a_decided_study_are_of_the_networks_it_has():
    judge = Judge({4: ("ceiling", ()), 6: ("safe", ())})
    trials = run(study(8, 8, repeats=(2, 3)).until(judge))
    later = [(network(t), t.role) for t in trials[20:24]]
    assert later == [(i, REFERENCE) for i in range(4)]
    assert count(trials) == 6
    assert [repeats for *_, repeats in judge.heard] == [2, 3]
    assert sum(t.role == REFERENCE for t in trials) == 6 * 3


def test_a_judged_study_leaves_the_study_it_comes_from_alone():
    plain = study(8)
    judged = plain.until(Judge({4: ("safe", ())}))
    assert count(run(judged)) == 4
    assert count(flat(plain)) == 8


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("growth", [(), (0,), (-1,), (3, 3), (3, 2), (0, 3)])
def test_sizes_must_be_positive_and_ascend(growth):
    with pytest.raises(ValueError, match="must be positive and ascend") as error:
        study(*growth)
    assert str(list(growth)) in str(error.value)


@pytest.mark.parametrize("repeats", [0, -1])
def test_the_reference_is_trained_at_least_once(repeats):
    with pytest.raises(ValueError, match=f"repeats must be at least 1, got {repeats}"):
        study(2, repeats=repeats)


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_holds_at_least_one_network(batch):
    with pytest.raises(ValueError, match=f"batch must be at least 1, got {batch}"):
        study(2, batch=batch)


def test_a_study_without_settings_is_refused():
    with pytest.raises(ValueError, match="at least one proxy setting"):
        study(2, settings=[])
