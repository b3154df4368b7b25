import dataclasses

import numpy as np
import pytest

from scarlet.strategy.mutation import Policy, frequencies, mutated
from scarlet.strategy.parameters import SearchParameters

OPTIONS = (3, 3, 2, 3, 1, 3)
WIDTH = max(OPTIONS)
EVEN = (np.arange(WIDTH) < np.array(OPTIONS)[:, None]).astype(float)
PARENT = np.array([0, 1, 1, 2, 0, 0])


def generator(*seed):
    return np.random.default_rng(seed)


def children(count, parameters, learned=EVEN, liked=EVEN):
    rng = generator(0)
    return np.array([mutated(PARENT, learned, liked, OPTIONS, parameters, rng) for _ in range(count)])


def only(kind):
    return SearchParameters(**({"random": 0.0, "reinforced": 0.0, "prior": 0.0} | {kind: 1.0}))


def test_one_layer_changes_or_several_in_the_papers_shares():
    """p_M = 0.7; 3,000 mutants, whose share has a standard deviation of 0.0084."""
    found = children(3000, SearchParameters())
    changed = (found != PARENT).sum(axis=1)
    assert set(changed.tolist()) == {1, 3}
    assert (changed == 1).mean() == pytest.approx(0.7, abs=0.05)
    assert (found < np.array(OPTIONS)).all()
    assert (found[:, 4] == 0).all()  # a layer with one choice stays
    assert PARENT.tolist() == [0, 1, 1, 2, 0, 0]  # copied, not edited


def test_the_kinds_have_the_papers_shares():
    """A policy and a wheel that each know one choice only tell the kinds apart: p_rm 0.2, p_re 0.65, p_pr 0.15."""
    learned, liked = np.zeros((6, 3)), np.zeros((6, 3))
    learned[:, 1], liked[:, 2] = 1.0, 1.0
    parameters = SearchParameters(single=1.0)
    first = children(6000, parameters, learned, liked)[:, 0]  # layer 0 holds choice 0
    ones, twos = (first == 1).sum(), (first == 2).sum()
    assert ones / (ones + twos) == pytest.approx(0.65 + 0.1, abs=0.06)


def test_a_mutant_never_keeps_the_choice_even_where_the_policy_is_certain_of_it():
    certain = np.zeros((6, 3))
    certain[np.arange(6), PARENT] = 1.0
    found = children(300, dataclasses.replace(only("reinforced"), single=1.0), learned=certain)
    assert ((found != PARENT).sum(axis=1) == 1).all()
    assert (found < np.array(OPTIONS)).all()


def test_the_policy_learns_what_good_ranks_share_and_stays_within_the_options():
    policy = Policy(OPTIONS, 1.0)
    rng = generator(1)
    assert policy.chances.sum(axis=1) == pytest.approx(np.ones(6))
    for _ in range(60):
        choices = rng.integers(OPTIONS, size=(140, 6))
        policy.learn(choices, (choices[:, 0] != 2).astype(np.int64))  # good: choice 2 in layer 0
    chances = policy.chances
    assert chances[0, 2] > 0.9
    assert chances[1].max() < 0.6
    assert (chances[EVEN == 0] == 0).all()
    assert np.isfinite(chances).all()


def test_equal_ranks_teach_nothing():
    policy = Policy(OPTIONS, 1.0)
    before = policy.chances
    policy.learn(generator(0).integers(OPTIONS, size=(20, 6)), np.zeros(20, dtype=np.int64))
    assert np.allclose(policy.chances, before)


def test_the_wheel_counts_choices_and_leaves_every_one_a_chance():
    wheel = frequencies(np.array([[0, 1, 1, 2, 0, 0], [0, 2, 1, 2, 0, 1]]), OPTIONS)
    assert wheel[0].tolist() == pytest.approx([3 / 5, 1 / 5, 1 / 5])
    assert wheel[2].tolist() == pytest.approx([1 / 4, 3 / 4, 0])
    assert (wheel[EVEN == 0] == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"population": 1}, "population must be at least 2, got 1"),
        ({"random": 0.5}, "random, reinforced and prior must sum to 1, got 1.3"),
        ({"mutation": 1.2}, "mutation must lie between 0 and 1, got 1.2"),
        ({"learning_rate": -1.0}, "the learning rate"),
        ({"evaluations": 0}, "evaluations must be at least 1"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        SearchParameters(**changes)


def test_the_defaults_are_the_papers():
    numbers = SearchParameters()
    assert (numbers.population, numbers.mutation, numbers.single) == (70, 0.8, 0.7)
    assert (numbers.random, numbers.reinforced, numbers.prior) == (0.2, 0.65, 0.15)
