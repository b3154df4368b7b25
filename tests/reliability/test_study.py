import itertools

import pytest

from zoo.population import GenotypeSequence, ProxySetting, Record
from zoo.reliability.study import PROXY, REFERENCE, Study
from zoo.spaces import ECONAS_ZOO

GOAL = ProxySetting.parse("c0r0s0e6")
GRID = [ProxySetting.parse(text) for text in ("c4r4s1e2", "c2r0s0e3", "c4r0s0e2")]


def study(*growth, repeats=2, batch=1, seed=0, settings=GRID):
    return Study(ECONAS_ZOO, settings, GOAL, repeats=repeats, growth=growth, batch=batch, seed=seed)


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
