"""Tournaments and promotions of a population, by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econas.strategy.population import UNTRAINED, Network, at_level, promoted, winners
from zoo.spaces.chain_space import NAS_BENCH_201


def network(trial, level, score):
    genotype = NAS_BENCH_201.sample(np.random.default_rng(trial))
    return Network(genotype=genotype, level=level, score=score, trial=trial, trained=0)


@st.composite
def populations(draw):
    kinds = draw(st.lists(st.tuples(st.integers(UNTRAINED, 2), st.sampled_from([0.1, 0.5, 0.9])), max_size=25))
    return [network(trial, level, score) for trial, (level, score) in enumerate(kinds)]


@given(alive=populations(), seed=st.integers(0, 99))
def test_winners_come_from_their_population_or_the_lowest_and_are_the_best_of_their_draws(alive, seed):
    slots = (3, 0, 2)
    trained = [level for level in range(3) if at_level(alive, level)]
    if not trained:
        with pytest.raises(ValueError, match="at least one living network, got none"):
            winners(alive, slots, np.random.default_rng(seed))
        return
    found, replay = winners(alive, slots, np.random.default_rng(seed)), np.random.default_rng(seed)
    levels = [level if at_level(alive, level) else trained[0] for level in (0, 0, 0, 2, 2)]
    assert [one.level for one in found] == levels
    for one in found:
        field = at_level(alive, one.level)
        drawn = [field[place] for place in replay.integers(len(field), size=len(field) // 4 + 1)]
        best = max(other.score for other in drawn)
        assert one.trial == min(other.trial for other in drawn if other.score == best)


@given(alive=populations(), most=st.integers(0, 9), level=st.integers(0, 1))
def test_the_promoted_are_the_best_and_at_most_half(alive, most, level):
    found = promoted(alive, level, most)
    field = at_level(alive, level)
    assert len(found) == min(most, len(field) // 2)
    assert {one.level for one in found} <= {level}
    left = [one for one in field if one not in found]
    assert all((-a.score, a.trial) < (-b.score, b.trial) for a in found for b in left)


def test_of_equals_the_earlier_is_better():
    alive = [network(trial, 0, 0.5) for trial in (7, 3, 5, 9)]
    assert [one.trial for one in promoted(alive, 0, 2)] == [3, 5]
