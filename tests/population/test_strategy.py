import numpy as np
import pytest

from zoo.population import FixedList, GenotypeSequence, ProxySetting, RandomSearch, Record, Trial
from zoo.purposes import SAMPLED_NETWORKS
from zoo.spaces import CELL_SPACES, DARTS, ECONAS_SEARCH, CellSpace

SETTINGS = [ProxySetting.parse(text) for text in ("c0r0s0e2", "c4r4s0e2")]
GENOTYPE = DARTS.sample(np.random.default_rng(0))


def trial(index, setting=0, start=0, stop=1, resumes=None, keep=False):
    return Trial(
        index=index, genotype=GENOTYPE, setting=SETTINGS[setting], start=start, stop=stop, resumes=resumes, keep=keep
    )


def ok(*indices, accuracy=0.5):
    return [Record(index=i, ok=True, metrics={"accuracy": accuracy}) for i in indices]


# ---------------------------------------------------------------- the fixed list


def test_a_list_is_cut_where_setting_or_stage_change():
    trials = [trial(0), trial(1), trial(2, setting=1), trial(3, setting=1), trial(4, setting=1, stop=2), trial(5)]
    strategy = FixedList(trials)
    asked = []
    while batch := strategy.ask(4, sum(map(len, asked))):
        asked.append(batch)
    assert asked == [trials[:2], trials[2:4], trials[4:5], trials[5:]]


def test_a_list_says_who_keeps_weights():
    strategy = FixedList([trial(0, keep=True), trial(1), trial(2, keep=True)])
    assert strategy.resumable() == {0, 2}


def test_a_list_waits_for_what_is_resumed_and_then_asks_for_the_whole_batch():
    trials = [trial(0), trial(1), trial(2, start=1, stop=2, resumes=0), trial(3, start=1, stop=2, resumes=1)]
    strategy = FixedList(trials)
    assert strategy.ask(2, 0) == trials[:2]
    assert strategy.ask(2, 2) == []
    strategy.tell(ok(0))
    assert strategy.ask(2, 2) == []
    strategy.tell([Record(index=1, ok=False, reason="diverged")])
    assert strategy.ask(2, 2) == trials[2:]
    assert strategy.ask(2, 4) == []


def test_a_list_numbered_otherwise_is_refused():
    with pytest.raises(ValueError, match="numbers its next trial 3, expected 0"):
        FixedList([trial(3)]).ask(1, 0)


def test_a_list_that_would_wait_forever_is_refused():
    with pytest.raises(ValueError, match="trial 1 resumes trial 0, which is not in the list"):
        FixedList([trial(1, start=1, stop=2, resumes=0)])


# ---------------------------------------------------------------- random search


def search(count=6, seed=0, keep=True):
    return RandomSearch(DARTS, SETTINGS[0], count, seed, keep)


def test_a_search_trains_different_networks_from_first_to_last_epoch():
    trials = search().ask(10, 0)
    assert [t.index for t in trials] == list(range(6))
    assert {(t.setting, t.start, t.stop, t.resumes, t.keep) for t in trials} == {(SETTINGS[0], 0, 2, None, True)}
    assert len({DARTS.function_key(t.genotype) for t in trials}) == 6
    assert all(DARTS.contains(t.genotype) for t in trials)


def test_a_larger_search_begins_with_the_smaller_one_and_a_seed_is_another_one():
    assert search(9).ask(9, 0)[:6] == search(6).ask(6, 0)
    keys = [{t.genotype.key for t in search(seed=seed).ask(6, 0)} for seed in range(3)]
    assert len(set.union(*keys)) == 18


def test_a_search_keeps_the_best_and_those_that_run():
    strategy = search()
    strategy.ask(5, 0)
    assert strategy.resumable() == {0, 1, 2, 3, 4}
    strategy.tell(ok(1, accuracy=0.7))
    strategy.tell(ok(0, accuracy=0.6))
    assert strategy.resumable() == {1, 2, 3, 4}
    strategy.tell([*ok(3, accuracy=0.8), Record(index=4, ok=False, reason="diverged")])
    assert strategy.resumable() == {3, 2}
    strategy.tell(ok(2, accuracy=0.8))
    assert strategy.resumable() == {2}, "the first of two equals"


def test_a_search_without_weights_keeps_none():
    strategy = search(keep=False)
    assert not any(t.keep for t in strategy.ask(3, 0))
    strategy.tell(ok(0))
    assert strategy.resumable() == set()


@pytest.mark.parametrize("count", [0, -3])
def test_a_search_needs_a_network(count):
    with pytest.raises(ValueError, match=f"at least 1, got {count}"):
        search(count)


# ---------------------------------------------------------------- the sequence


@pytest.mark.parametrize("space", CELL_SPACES.values(), ids=str)
def test_a_sequence_never_repeats_a_function_and_does_not_depend_on_who_looks_first(space):
    forwards = [GenotypeSequence(space, 3)[i] for i in (0, 5, 11)]
    sequence = GenotypeSequence(space, 3)
    assert [sequence[i] for i in (11, 5, 0)] == forwards[::-1]
    assert len({space.function_key(sequence[i]) for i in range(12)}) == 12


def test_a_draw_depends_on_the_seed_its_place_and_its_purpose():
    sequence = GenotypeSequence(DARTS, 3)
    for i in (9, 0, 4):
        assert sequence[i] == DARTS.sample(np.random.default_rng((3, i, SAMPLED_NETWORKS)))


def test_a_sequence_says_when_a_space_is_used_up():
    tiny = CellSpace("tiny", ("conv_1x1",), nodes=1, concat="all", edges=1)
    sequence = GenotypeSequence(tiny, 0)
    found = [sequence[i] for i in range(4)]  # two inputs in each of two cells
    assert len({tiny.function_key(genotype) for genotype in found}) == 4
    with pytest.raises(ValueError, match="'tiny' seems to have no more than 4 different functions"):
        sequence[4]


def test_a_search_space_with_none_gives_networks_that_differ_in_function():
    sequence = GenotypeSequence(ECONAS_SEARCH, 0)
    assert len({ECONAS_SEARCH.function_key(sequence[i]) for i in range(50)}) == 50
