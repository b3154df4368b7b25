import numpy as np
import pytest

from zoo.population.front import front
from zoo.population.selection import check_weights, crossed, survive, tournament, weighted_crowding


def generator(seed=0):
    return np.random.default_rng(seed)


def test_crowding_is_the_weighted_sum_of_the_gaps():
    """Four points on a front; the ranges are 10 and 100."""
    losses = np.array([[0.0, 100.0], [2.0, 60.0], [5.0, 50.0], [10.0, 0.0]])
    room = weighted_crowding(losses, (0.25, 0.75))
    assert np.isinf(room[[0, 3]]).all()
    assert room[1] == pytest.approx(0.25 * 5 / 10 + 0.75 * 50 / 100)
    assert room[2] == pytest.approx(0.25 * 8 / 10 + 0.75 * 60 / 100)


def test_equal_weights_are_the_crowding_distance_of_nsga2():
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

    losses = generator().random((30, 3))
    expected = calc_crowding_distance(losses)  # its mean over objectives
    assert np.allclose(weighted_crowding(losses, (1 / 3,) * 3), expected)


def test_an_objective_without_weight_or_range_makes_no_difference():
    losses = np.column_stack([generator().random((12, 2)), np.full(12, 7.0)])
    flat = weighted_crowding(losses, (0.5, 0.0, 0.5))
    assert not np.isnan(flat).any()
    inner = np.isfinite(flat)
    assert np.allclose(flat[inner], weighted_crowding(losses[:, :1], (0.5,))[inner])


def test_survivors_are_the_first_fronts_and_then_those_with_room():
    losses = generator(3).random((40, 2))
    alive = survive(losses, (0.5, 0.5), 15, generator())
    assert len(set(alive.numbers.tolist())) == 15
    assert (np.diff(alive.rank) >= 0).all()
    first = set(front(losses).tolist())
    assert first == set(alive.numbers[alive.rank == 0].tolist()) or len(first) > 15
    rest = np.setdiff1d(np.arange(40), sorted(first))
    second = set(rest[front(losses[rest])].tolist())
    assert set(alive.numbers[alive.rank == 1].tolist()) <= second


def test_weights_decide_who_survives_a_crowded_front():
    """A front that is steep at one end: with all weight on one objective the survivors are even in that one."""
    x = np.linspace(0, 1, 200)
    losses = np.column_stack([x**4, (1 - x) ** 0.5])

    def unevenness(weights):
        kept = losses[survive(losses, weights, 20, generator()).numbers]
        return [(np.diff(np.sort(column)) ** 2).sum() for column in kept.T]

    (a, b), (c, d) = unevenness((1.0, 0.0)), unevenness((0.0, 1.0))
    assert a < 0.7 * c
    assert d < 0.7 * b
    assert a < 1.5 / 20  # 1/19 where the gaps are all alike


def test_copies_of_a_point_have_no_room():
    losses = np.array([[0.0, 4.0], [1.0, 3.0], [1.0, 3.0], [1.0, 3.0], [2.0, 2.0], [4.0, 0.0]])
    kept = losses[survive(losses, (0.5, 0.5), 4, generator()).numbers]
    assert len(np.unique(kept, axis=0)) == 4


def test_the_same_generator_gives_the_same_survivors_and_parents():
    losses = np.round(generator(1).random((30, 2)), 1)  # with ties
    runs = [survive(losses, (0.4, 0.6), 12, generator(5)) for _ in range(2)]
    assert runs[0].numbers.tolist() == runs[1].numbers.tolist()
    assert tournament(runs[0], 9, generator(6)).tolist() == tournament(runs[1], 9, generator(6)).tolist()
    assert tournament(runs[0], 9, generator(7)).tolist() != tournament(runs[1], 9, generator(6)).tolist()


def test_a_tournament_prefers_those_in_front():
    alive = survive(generator(2).random((40, 2)), (0.5, 0.5), 40, generator())
    parents = tournament(alive, 4000, generator())
    assert parents.shape == (4000, 2)
    counts = np.bincount(parents.ravel(), minlength=40)
    assert counts[0] == pytest.approx(8000 * 2 / 40, rel=0.3)  # the best wins whenever it is drawn
    assert counts[39] == 0  # the last never


def test_one_survivor_is_its_own_partner():
    alive = survive(np.array([[1.0, 2.0]]), (0.5, 0.5), 5, generator())
    assert tournament(alive, 3, generator()).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((0.5, 0.4), "weights must sum to 1, got 0.9"),
        ((1.5, -0.5), "weights must lie between 0 and 1, got 1.5, -0.5"),
        ((float("nan"), 1.0), "weights must lie between 0 and 1"),
        ((1.0,), "a weight for each of 2 objectives, got 1"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 2)


def test_thirds_are_weights():
    assert check_weights((1 / 3,) * 3, 3) == (1 / 3,) * 3


def test_a_child_has_every_gene_of_a_parent_and_parents_stay_as_they_are():
    first, second = np.arange(40), np.arange(100, 140)
    child = crossed(first, second, generator())
    assert ((child == first) | (child == second)).all()
    assert 5 < (child == first).sum() < 35
    assert (first[0], second[0]) == (0, 100)
    assert (child == crossed(first, second, generator())).all()
