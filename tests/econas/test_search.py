"""HierarchicalSearch against the rules of Appendix E.1 (Zhou 2020), with a population kept by the test itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from econas.history.trajectory import CHILD, PROMOTION, RETRAIN
from econas.strategy.hierarchical import HierarchicalSearch
from econas.strategy.parameters import Parameters
from zoo.population import Journal, Manager, ProxySetting, SerialExecutor, WeightStore
from zoo.spaces import ECONAS_SEARCH
from zoo.spaces.chain_space import NAS_BENCH_201, ChainSpace

TINY = ChainSpace(
    "tiny", (2, 2, 2), str, lambda choices: "".join(map(str, choices)), lambda text: tuple(map(int, text))
)


def one_stage(**changes):
    """The search of a table: a cheap training, and a full one for the best."""
    numbers = {
        "stages": (12,),
        "parents": (16,),
        "promotions": (),
        "setting": ProxySetting(0, 0, 0, 12),
        "final": ProxySetting(0, 0, 0, 200),
    }
    return Parameters(**(numbers | changes))


def by_role(trials, role):
    return [trial for trial in trials if trial.role == role]


def populations(history, before, ageing):
    """P20, P40, P60 as a cycle finds them: (accuracy, trial) of whoever was trained at most ``ageing`` cycles ago."""
    where = {}  # trial to (level, cycle) of living networks
    levels = {stop: i for i, stop in enumerate(sorted({t.stop for t in history.trials if t.role != RETRAIN}))}
    for number, cycle in enumerate(history.cycles[:before]):
        for trial in cycle:
            where.pop(trial.resumes, None)
            if trial.role != RETRAIN and trial.index in history.accuracies:
                where[trial.index] = (levels[trial.stop], number)
    found = [[] for _ in levels]
    for trial, (level, number) in where.items():
        if before - number <= ageing:
            found[level].append((history.accuracies[trial], trial))
    return found


@pytest.fixture(scope="module")
def paper(run):
    """The paper's whole search."""
    return run(HierarchicalSearch(ECONAS_SEARCH, Parameters(), seed=0))


# ---------------------------------------------------------------- the paper's search


def test_the_papers_search_is_2812_jobs_of_20_epochs(paper):
    jobs = [trial for trial in paper.trials if trial.role != RETRAIN]
    assert len(jobs) == 2812
    assert {trial.stop - trial.start for trial in jobs} == {20}
    assert len(paper.cycles) == 1 + 100 + 1


def test_a_cycle_has_16_children_and_promotes_8_and_4(paper):
    start, *cycles, retraining = paper.cycles
    assert [(t.role, t.parent, t.start, t.stop) for t in start] == [(CHILD, None, 0, 20)] * 16
    for number, cycle in enumerate(cycles, start=1):
        assert len(by_role(cycle, CHILD)) == 16
        stops = [trial.stop for trial in by_role(cycle, PROMOTION)]
        assert (stops.count(40), stops.count(60)) == ((8, 0) if number == 1 else (8, 4))
    assert [(t.role, t.start, t.stop, str(t.setting)) for t in retraining] == [(RETRAIN, 0, 600, "c0r0s0e600")] * 5


def test_promotions_are_the_best_of_the_snapshot_the_cycle_began_with(paper):
    for number, cycle in enumerate(paper.cycles[1:-1], start=1):
        snapshot = populations(paper, number, ageing=10)
        for level, most in enumerate((8, 4)):
            ranked = sorted(snapshot[level], key=lambda one: (-one[0], one[1]))
            promoted = [t.resumes for t in by_role(cycle, PROMOTION) if t.start == 20 * (level + 1)]
            assert promoted == [trial for _, trial in ranked[: min(most, len(ranked) // 2)]]


def test_parents_come_6_5_5_from_the_populations_and_empty_ones_leave_theirs_to_the_lowest(paper):
    genotypes = {trial.index: trial.genotype.key for trial in paper.trials}
    for number, cycle in enumerate(paper.cycles[1:-1], start=1):
        snapshot = populations(paper, number, ageing=10)
        parents = [trial.parent for trial in by_role(cycle, CHILD)]
        for level, part in enumerate((parents[:6], parents[6:11], parents[11:])):
            field = snapshot[level] or snapshot[0]
            assert set(part) <= {genotypes[trial] for _, trial in field}


def test_populations_hold_the_ages_they_should(paper):
    for number, alive in enumerate(paper.alive[1:-1], start=1):
        held = populations(paper, number + 1, ageing=10)
        departing = {index for index, _ in alive} - {trial for part in held for _, trial in part}
        cycle_of = {trial.index: i for i, cycle in enumerate(paper.cycles) for trial in cycle}
        assert all(number - cycle_of[index] == 10 for index in departing)
        assert {(trial, level) for level, part in enumerate(held) for _, trial in part} <= set(alive)


def test_nobody_is_trained_past_the_last_stage_or_twice_in_a_stage(paper):
    trials = {trial.index: trial for trial in paper.trials}
    resumed = [trial.resumes for trial in paper.trials if trial.resumes is not None]
    assert len(set(resumed)) == len(resumed)
    for trial in by_role(paper.trials, PROMOTION):
        source = trials[trial.resumes]
        assert (source.genotype, source.setting, source.stop) == (trial.genotype, trial.setting, trial.start)
        assert trial.stop <= 60


def test_no_function_is_trained_twice(paper):
    functions = [ECONAS_SEARCH.function_key(trial.genotype) for trial in by_role(paper.trials, CHILD)]
    assert len(set(functions)) == len(functions)


def test_finalists_are_the_best_of_all_ever_trained_to_the_end(paper):
    mature = sorted((-paper.accuracies[t.index], t.index) for t in paper.trials if t.stop == 60)
    expected = [trial.genotype for _, index in mature[:5] for trial in paper.trials if trial.index == index]
    assert [trial.genotype for trial in paper.cycles[-1]] == expected


def test_who_has_left_the_population_may_still_be_a_finalist(run, small):
    """Early networks are the best, and long gone at the end."""
    parameters = small(cycles=12)
    history = run(HierarchicalSearch(NAS_BENCH_201, parameters, 0), accuracy=lambda trial: 1 / (1 + trial.index))
    mature = [trial for trial in history.trials if trial.stop == 6 and trial.role != RETRAIN]
    assert [trial.genotype for trial in history.cycles[-1]] == [trial.genotype for trial in mature[:2]]
    assert not {trial.index for trial in mature[:2]} & {index for index, _ in history.alive[-2]}


def test_a_search_too_short_for_the_last_stage_retrains_the_best_of_the_one_before(run, small):
    """The start and one cycle: two networks reach the second stage, nobody the third, and five are retrained."""
    search = HierarchicalSearch(NAS_BENCH_201, small(cycles=1, finalists=5), 0)
    history = run(search)
    assert max(trial.stop for trial in history.trials if trial.role != RETRAIN) == 4

    def ranked(stop):
        part = [trial for cycle in history.cycles[:-1] for trial in cycle if trial.stop == stop]
        return sorted(part, key=lambda trial: (-history.accuracies[trial.index], trial.index))

    expected = list(dict.fromkeys(trial.genotype for trial in [*ranked(4), *ranked(2)]))
    assert [trial.genotype for trial in history.cycles[-1]] == expected[:5]
    assert [one.trial for one, _ in search.finalists][:2] == [trial.index for trial in ranked(4)]


def test_who_fails_a_promotion_is_no_finalist_for_what_it_was(run, small):
    history = run(
        HierarchicalSearch(NAS_BENCH_201, small(cycles=1, finalists=5), 0), fails=lambda t: t.role == PROMOTION
    )
    lost = {trial.genotype for trial in history.cycles[1] if trial.role == PROMOTION}
    finalists = {trial.genotype for trial in history.cycles[-1]}
    assert len(lost) == 2
    assert len(finalists) == 5
    assert not lost & finalists


@pytest.mark.parametrize(("size", "draws"), [(3, 1), (4, 2), (7, 2), (8, 3)])
def test_a_tournament_is_the_best_of_a_quarter_and_one_draws_with_replacement(run, size, draws):
    count = 700
    parameters = one_stage(start=size, parents=(count,), cycles=1)
    history = run(HierarchicalSearch(NAS_BENCH_201, parameters, seed=1), accuracy=lambda trial: 1 / (1 + trial.index))
    assert len(history.cycles[1]) == count
    wins = sum(trial.parent == history.trials[0].genotype.key for trial in history.cycles[1])
    chance = 1 - (1 - 1 / size) ** draws
    assert abs(wins / count - chance) < 4 * (chance * (1 - chance) / count) ** 0.5


@pytest.mark.parametrize("ageing", [1, 3])
def test_a_network_leaves_after_so_many_cycles_without_training(run, ageing):
    """The best network is everyone's parent as long as it is there."""
    parameters = one_stage(start=2, parents=(40,), cycles=6, ageing=ageing)
    history = run(HierarchicalSearch(NAS_BENCH_201, parameters, 0), accuracy=lambda trial: float(trial.index == 0))
    best = history.trials[0].genotype.key
    present = [best in {trial.parent for trial in cycle} for cycle in history.cycles[1:-1]]
    assert present == [number <= ageing for number in range(1, 7)]


def test_at_most_half_of_a_population_is_promoted(run, small):
    history = run(HierarchicalSearch(NAS_BENCH_201, small(promotions=(5, 5)), 0))
    for number, cycle in enumerate(history.cycles[1:-1], start=1):
        for level, population in enumerate(populations(history, number, ageing=2)[:2]):
            promoted = [trial for trial in by_role(cycle, PROMOTION) if trial.stop == 2 * (level + 2)]
            assert len(promoted) == min(5, len(population) // 2)


# ---------------------------------------------------------------- properties


@pytest.mark.parametrize("space", [ECONAS_SEARCH, NAS_BENCH_201], ids=lambda space: space.name)
def test_a_child_is_a_network_of_its_own(run, small, space):
    """Siblings come from a parent that is as it was: nothing mutable is in a genotype, and no child is its parent."""
    history = run(HierarchicalSearch(space, small(), 3))
    keys = {trial.genotype.key: trial.genotype for trial in history.trials}
    for trial in by_role(history.trials, CHILD):
        hash(trial.genotype)  # a list anywhere in it would not
        assert space.contains(trial.genotype)
        assert trial.parent is None or (trial.parent in keys and trial.parent != trial.genotype.key)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), parts=st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_asking_in_parts_is_asking_at_once(run, small, seed, parts):
    def in_parts(strategy):
        asked = 0

        class Parted:
            tell = strategy.tell

            def ask(self, n, first):
                nonlocal asked
                asked += 1
                assert strategy.ask(0, first) == []
                return strategy.ask(parts[asked % len(parts)], first)

        return Parted()

    expected = run(HierarchicalSearch(NAS_BENCH_201, small(), seed)).trials
    assert run(in_parts(HierarchicalSearch(NAS_BENCH_201, small(), seed))).trials == expected


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100), budget=st.integers(18, 400), price=st.sampled_from([0.5, 1.0, 3.0]))
def test_the_budget_is_never_exceeded(run, small, seed, budget, price):
    try:
        parameters = small(budget=budget, final_price=price, cycles=1000)
    except ValueError:  # too small for one cycle, which another test looks at
        return
    history = run(HierarchicalSearch(NAS_BENCH_201, parameters, seed), fails=lambda trial: trial.index % 9 == 5)
    search = sum(trial.stop - trial.start for trial in history.trials if trial.role != RETRAIN)
    retraining = sum(trial.stop * price for trial in history.trials if trial.role == RETRAIN)
    assert search + retraining <= budget
    assert retraining <= budget / 3
    assert search > parameters.search_budget - 2  # a stage is 2 epochs


def test_failed_networks_have_no_children_and_no_future(run, small):
    history = run(HierarchicalSearch(NAS_BENCH_201, small(), 0), fails=lambda trial: trial.index % 3 == 0)
    failed = {trial.index: trial.genotype.key for trial in history.trials if trial.index % 3 == 0}
    assert not set(failed) & {trial.resumes for trial in history.trials}
    for cycle in history.cycles[1:]:
        for trial in by_role(cycle, CHILD):
            assert trial.parent not in failed.values() or any(
                t.genotype.key == trial.parent for t in history.trials if t.index not in failed
            )


def test_a_search_whose_networks_all_fail_ends(run, small):
    history = run(HierarchicalSearch(NAS_BENCH_201, small(), 0), fails=lambda trial: True)
    assert [len(cycle) for cycle in history.cycles] == [5]


def test_a_space_without_new_functions_ends_the_search(run):
    parameters = one_stage(budget=3000, cycles=10**6)
    history = run(HierarchicalSearch(TINY, parameters, 0))
    assert len(by_role(history.trials, CHILD)) == 8
    assert len(by_role(history.trials, RETRAIN)) == 5


def test_slots_nobody_fills_cost_nothing(run):
    """All eight functions are known from the start: 2 children a cycle are given up, and their price is still there."""
    parameters = one_stage(
        start=8,
        stages=(12, 24),
        parents=(2, 0),
        promotions=(4,),
        setting=ProxySetting(0, 0, 0, 24),
        final=ProxySetting(0, 0, 0, 24),
        budget=8 * 12 + 2 * 12 + 7 * 12 + 1,
    )
    history = run(HierarchicalSearch(TINY, parameters, 0))
    assert [len(cycle) for cycle in history.cycles] == [8, 4, 2, 1]


def test_nothing_is_retrained_where_the_search_trains_fully(run):
    setting = ProxySetting(0, 0, 0, 50)
    parameters = one_stage(stages=(50,), setting=setting, final=setting, budget=3000, cycles=10**6)
    history = run(HierarchicalSearch(NAS_BENCH_201, parameters, 0))
    assert len(history.trials) == 60
    assert {trial.role for trial in history.trials} == {CHILD}


def test_weights_of_networks_that_may_train_on_are_kept_and_no_others(run, small):
    parameters = small(cycles=4)
    strategy = HierarchicalSearch(NAS_BENCH_201, parameters, 0)

    class Watched:
        tell, ask = strategy.tell, strategy.ask

        @property
        def alive(self):
            assert strategy.resumable() >= {one.trial for one in strategy.alive if one.level < 2}
            assert not strategy.resumable() & {one.trial for one in strategy.alive if one.level == 2}
            return strategy.alive

    history = run(Watched())
    living = {index for index, level in history.alive[-1] if level < 2}
    retrained = {trial.index for trial in by_role(history.trials, RETRAIN)}
    assert retrained <= strategy.resumable() <= living | retrained


# ---------------------------------------------------------------- through the manager


def manage(small, journal, folder, executor, batch=2):
    strategy = HierarchicalSearch(NAS_BENCH_201, small(), 7)
    return Manager(strategy, journal, WeightStore(folder), batch).run(executor)


@pytest.fixture(scope="module")
def undisturbed(small, trained, tmp_path_factory):
    journal = Journal.memory({})
    assert manage(small, journal, tmp_path_factory.mktemp("weights"), SerialExecutor(trained))
    assert journal.counts()["failed"] == 0
    return journal


@pytest.mark.parametrize("count", [1, 2, 4, 9])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_number_of_workers_gives_the_same_digest(small, workers, undisturbed, count, seed, tmp_path):
    journal = Journal.memory({})
    assert manage(small, journal, tmp_path, workers(count, seed))
    assert journal.digest() == undisturbed.digest()


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_event_a_search_ends_as_if_undisturbed(
    small, workers, undisturbed, torn, killed, after, tmp_path
):
    for lives in range(0, len(undisturbed.events()), 3):  # odd: asks and tells in turn
        journal, folder = Journal.memory({}), tmp_path / str(lives)
        with pytest.raises(killed):
            manage(small, torn(journal, lives, after), folder, workers(2, seed=lives))
        assert manage(small, journal, folder, workers(3, seed=lives + 1))
        assert journal.digest() == undisturbed.digest()


# ---------------------------------------------------------------- numbers that do not fit

WRONG = {
    "start must be at least 1, got 0": {"start": 0},
    "ageing must be at least 1, got 0": {"ageing": 0},
    "stages must be positive and ascend, got [20, 20, 60]": {"stages": (20, 20, 60)},
    "the last stage must end at the setting's 60 epochs, got 50": {"stages": (20, 40, 50)},
    "parents needs one number per stage, some above 0, got [6, 5]": {"parents": (6, 5)},
    "parents needs one number per stage, some above 0, got [0, 0, 0]": {"parents": (0, 0, 0)},
    "promotions needs one number per stage but the last, got [8]": {"promotions": (8,)},
    "more promotions than networks: 40": {"promotions": (40, 4)},
    "final_share must lie between 0 and 1": {"final_share": 1.0},
    "a budget of 600 epochs leaves 600 to search, the start and one cycle need 640": {"budget": 600},
}


@pytest.mark.parametrize("message", WRONG)
def test_numbers_that_do_not_fit_are_refused(message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Parameters(**WRONG[message])
    assert message in str(caught.value)


def test_numbers_are_ready_for_json():
    numbers = Parameters().to_dict()
    assert (numbers["setting"], numbers["final"]) == ("c4r4s0e60", "c0r0s0e600")
    assert Parameters(budget=60_000.0).retrained == 5
