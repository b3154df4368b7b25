import numpy as np
import pytest

from scarlet.strategy.initial_population import POOL, pool, spread
from zoo.population.costs import ClosedFormCosts
from zoo.population.front import Infeasible, Limit
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.chain_space import CHAIN_SPACES

S2 = CHAIN_SPACES["scarlet-s2"].options
PRICES = ClosedFormCosts(ChainCosts(CHAINS["scarlet-s2"], 224, 1000))


def generator(*seed):
    return np.random.default_rng(seed)


def limits(*texts):
    return [Limit.parse(text) for text in texts]


def test_the_pool_reaches_both_ends_of_the_range_and_keeps_the_limits():
    found = pool(S2, PRICES, limits("macs<=500e6"), 100, generator(0))
    macs = PRICES(found)["macs"]
    assert macs.max() <= 500e6
    assert macs.max() > 490e6
    assert macs.min() < 60e6  # uniform draws: none of a million is below 180 M
    assert len(np.unique(found, axis=0)) == len(found)
    assert (found < np.array(S2)).all()
    assert pool(S2, PRICES, limits("macs<=500e6"), 100, generator(0)).tolist() == found.tolist()


def test_the_start_is_uniform_over_the_range():
    found = pool(S2, PRICES, limits("macs<=500e6"), 1000, generator(1))
    macs = PRICES(found)["macs"]
    chosen = spread(found, macs, 140, generator(2))
    assert len(set(chosen.tolist())) == 140
    share = np.sort((macs[chosen] - macs.min()) / np.ptp(macs))
    assert np.abs(share - (np.arange(140) + 0.5) / 140).max() < 0.05  # Kolmogorov's distance to uniform


def test_without_a_price_the_first_are_taken():
    found = pool((3,) * 4, PRICES, [], 10, generator(0))
    assert spread(found, None, 5, generator(0)).tolist() == [0, 1, 2, 3, 4]
    assert len(spread(found, None, 500, generator(0))) == len(found)


def test_a_narrow_corner_is_found_by_going_there():
    found = pool(S2, PRICES, limits("macs<=24e6", "params<=2e6"), 4, generator(0))
    assert PRICES(found)["macs"].max() <= 24e6


@pytest.mark.parametrize(
    ("texts", "blocking"),
    [
        (("macs<=1e6",), ["macs<=1e+06"]),
        (("params>=1e6", "macs<=1e6"), ["macs<=1e+06"]),
        (("macs<=60e6", "params>=6e6"), ["macs<=6e+07", "params>=6e+06"]),  # each alone is easy
    ],
)
def test_limits_that_nobody_keeps_are_named(texts, blocking):
    with pytest.raises(Infeasible) as caught:
        pool(S2, PRICES, limits(*texts), 10, generator(0))
    assert [str(limit) for limit in caught.value.limits] == blocking
    assert str(POOL) in str(caught.value)
