import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zoo.population.front import (
    Infeasible,
    Limit,
    Objective,
    blocking,
    equispaced,
    front,
    hypervolume,
    losses_of,
    objectives,
    require_known,
)

TWO = objectives(["accuracy"], ["macs"])
small_losses = arrays(np.float64, st.tuples(st.integers(1, 25), st.integers(1, 3)), elements=st.integers(0, 5))


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


@given(small_losses)
def test_the_front_is_what_nobody_dominates(losses):
    expected = [i for i, a in enumerate(losses) if not any(dominates(b, a) for b in losses)]
    assert front(losses).tolist() == expected


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 8)))
def test_the_hypervolume_counts_the_cells_of_a_grid(losses):
    """On a grid of whole numbers: the unit squares whose upper right corner some point dominates."""
    cells = sum(any(x <= i and y <= j for x, y in losses) for i in range(8) for j in range(8))
    assert hypervolume(losses, (0, 0), (8, 8)) == pytest.approx(cells / 64)


def test_the_hypervolume_of_an_ideal_point_is_one_and_of_nothing_zero():
    assert hypervolume(np.array([[3.0, -2.0]]), (3, -2), (4, 5)) == 1.0
    assert hypervolume(np.array([[4.0, -2.0]]), (3, -2), (4, 5)) == 0.0
    assert hypervolume(np.zeros((0, 2)), (0, 0), (1, 1)) == 0.0
    assert hypervolume(np.array([[2.0, -9.0]]), (3, -2), (4, 5)) == 1.0  # beyond the ideal counts as ideal


def line(places):
    """A front on the diagonal at given places, shuffled, with a dominated point and a copy of the first end."""
    points = np.array([[-place, place] for place in places] + [[9.0, 9.0], [-places[0], places[0]]])
    return points


def test_equispaced_models_include_both_ends_and_lie_at_equal_arc_length():
    losses = line([0.0, 0.1, 0.2, 0.5, 0.55, 0.9, 1.0])
    assert losses[equispaced(losses, TWO, 2)][:, 1].tolist() == [0.0, 1.0]
    assert losses[equispaced(losses, TWO, 3)][:, 1].tolist() == [0.0, 0.5, 1.0]
    assert losses[equispaced(losses, TWO, 5)][:, 1].tolist() == [0.0, 0.2, 0.5, 0.9, 1.0]
    assert losses[equispaced(losses, TWO, 7)][:, 1].tolist() == [0.0, 0.1, 0.2, 0.5, 0.55, 0.9, 1.0]
    assert losses[equispaced(losses, TWO, 1)][:, 1].tolist() == [0.5]


def test_arc_length_is_counted_in_ranges_not_in_units():
    losses = np.array([[-0.9, 500e6], [-0.8, 300e6], [-0.2, 290e6], [-0.1, 100e6]])
    assert equispaced(losses, TWO, 3).tolist() in ([3, 1, 0], [3, 2, 0])
    assert equispaced(losses * [1, 1e-6], TWO, 3).tolist() == equispaced(losses, TWO, 3).tolist()


@given(small_losses, st.data())
def test_equispaced_models_are_different_and_of_the_front(losses, data):
    wanted = objectives([], ["a", "b", "c"][: losses.shape[1]])
    most = len(np.unique(losses[front(losses)], axis=0))
    count = data.draw(st.integers(1, most))
    chosen = equispaced(losses, wanted, count)
    assert set(chosen) <= set(front(losses))
    assert len(np.unique(losses[chosen], axis=0)) == count == len(chosen)


def test_more_models_than_the_front_has_are_refused():
    losses = line([0.0, 0.5, 1.0])  # four rows, three points
    for count in (0, 4):
        with pytest.raises(ValueError, match=rf"the front has 3 different points.*got {count}"):
            equispaced(losses, TWO, count)


@pytest.mark.parametrize(
    ("text", "metric", "upper", "bound"),
    [
        ("macs<=500e6", "macs", True, 5e8),
        (" accuracy >= 0.4 ", "accuracy", False, 0.4),
        ("macs<=123456789", "macs", True, 123456789),
        ("x<=-1", "x", True, -1),
    ],
)
def test_limits_as_users_write_them(text, metric, upper, bound):
    limit = Limit.parse(text)
    assert (limit.metric, limit.upper, limit.bound) == (metric, upper, bound)
    assert Limit.parse(str(limit)) == limit
    assert limit.holds(bound)
    assert limit.holds(bound - 1) == upper
    assert limit.holds(bound + 1) != upper


@pytest.mark.parametrize(
    "text", ["macs", "macs<500e6", "macs=5", "<=5", "macs<=many", "macs<=nan", "macs<=inf", "a b<=3"]
)
def test_another_form_of_limit_is_refused(text):
    with pytest.raises(ValueError, match="is not a limit, expected a form like macs<=500e6"):
        Limit.parse(text)


def test_objectives_are_named_once_and_measured_by_somebody():
    assert [str(one) for one in objectives(["accuracy", "params"], ["macs"])] == [
        "max accuracy",
        "max params",
        "min macs",
    ]
    with pytest.raises(ValueError, match="at least one objective"):
        objectives([], [])
    with pytest.raises(ValueError, match="an objective once, got accuracy, accuracy"):
        objectives(["accuracy"], ["accuracy"])
    with pytest.raises(ValueError, match="'two words' is no metric"):
        objectives(["two words"], [])
    require_known([Objective("macs", False), Limit.parse("accuracy>=0.1")], {"macs", "accuracy"})
    with pytest.raises(ValueError, match="nobody measures 'latency', expected one of accuracy, macs"):
        require_known([Limit.parse("latency<=3")], {"macs", "accuracy"})


def test_losses_change_the_sign_of_what_is_maximised_and_need_every_metric():
    assert losses_of([{"accuracy": 0.5, "macs": 3}, {"accuracy": 0.6, "macs": 4}], TWO).tolist() == [
        [-0.5, 3],
        [-0.6, 4],
    ]
    with pytest.raises(ValueError, match="the objective 'macs' was not measured, got accuracy"):
        losses_of([{"accuracy": 0.5}], TWO)


def test_infeasible_names_what_blocks():
    error = Infeasible([Limit.parse("macs<=1e6"), Limit.parse("params>=5e6")], "tried hard")
    assert "macs<=1e+06 and params>=5e+06: tried hard" in str(error)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy>=75", "accuracy is a share, 0 to 1; 75 % is accuracy>=0.75"),
        ("balanced_accuracy>=1.5", "balanced_accuracy is a share"),
        ("accuracy>=300", "accuracy is a share, 0 to 1$"),
        ("macs<=-1", "macs is never below 0"),
        ("accuracy<=-0.1", "accuracy is never below 0"),
    ],
)
def test_a_limit_that_no_network_can_keep_is_refused_as_it_is_read(text, message):
    with pytest.raises(ValueError, match=message):
        Limit.parse(text)
    assert Limit.parse("novelty<=-1").bound == -1  # a metric of another package may be negative
    assert Limit.parse("accuracy>=1").bound == 1


def test_the_limits_that_block_are_named_with_the_nearest():
    rows = [{"macs": 5.0, "accuracy": 0.7}, {"macs": 9.0, "accuracy": 0.9}]
    small, right, any_ = (Limit.parse(text) for text in ("macs<=6", "accuracy>=0.8", "macs>=1"))
    assert blocking([any_, small, right], rows)[1] == "each of them is kept by some, and all together by none"
    assert blocking([Limit.parse("accuracy>=0.95"), any_], rows) == (
        [Limit.parse("accuracy>=0.95")],
        "the nearest has accuracy 0.9",
    )
    both = blocking([Limit.parse("macs<=4"), Limit.parse("accuracy>=0.95")], rows)
    assert both[1] == "the nearest has macs 5, another accuracy 0.9"
