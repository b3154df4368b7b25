import pickle

import numpy as np
import pytest

from zoo.population import Job, Record, Trial
from zoo.population.costs import (
    ClosedFormCosts,
    CostedEvaluator,
    JointCosts,
    SummedCosts,
    TableCosts,
    costs_of,
    read_latency,
    with_costs,
)
from zoo.spaces.chain import CHAINS
from zoo.spaces.chain_cost import ChainCosts
from zoo.spaces.genotype import ChainGenotype

COSTS = ChainCosts(CHAINS["nas-bench-macro"], 32, 10)
ROWS = ["layer,choice,latency", "0,0,1.5", "0,1,2.5", "1,0,3", "1,1,4", "1,2,5", ",,10"]


@pytest.fixture
def table(tmp_path):
    def write(lines):
        path = tmp_path / "latency.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_a_latency_is_the_sum_of_its_layers_and_what_is_outside(table):
    latency = read_latency(table(ROWS), (2, 3))
    choices = np.array([[0, 0], [1, 2], [0, 1]])
    assert latency(choices)["latency"].tolist() == [14.5, 17.5, 15.5]
    assert latency.names == ("latency",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (ROWS[:-2], "no row for layer 1, choice 2"),
        ([*ROWS, "1,2,5"], "line 8 repeats layer 1, choice 2"),
        ([*ROWS, "2,0,5"], "line 8 names layer 2, choice 0, which the space lacks"),
        ([*ROWS, "0,0.5,5"], "line 8 names layer 0, choice 0.5"),
        ([*ROWS, "0,,5"], "line 8 names layer 0, choice nan"),
        ([*ROWS[:-1], ",,-1"], "line 7 has no latency of 0 or more"),
        (["layer,choice,ms", "0,0,1"], "lacks the column latency, expected layer, choice and latency"),
        (["layer,choice,latency", "0,0,quick"], "line 2 has no latency"),
        ([""], "is not a CSV table"),
    ],
)
def test_a_latency_table_with_a_fault_is_refused(table, lines, message):
    with pytest.raises(ValueError, match=message):
        read_latency(table(lines), (2, 3))


def test_counted_prices_are_those_of_the_tables():
    choices = np.array([[0] * 8, [2] * 8])
    found = ClosedFormCosts(COSTS)(choices)
    macs, params = COSTS(choices)
    assert found["macs"].tolist() == macs.tolist()
    assert found["params"].tolist() == params.tolist()


def test_prices_come_together_under_names_of_their_own(table):
    both = JointCosts([TableCosts({"a": np.arange(6.0).reshape(2, 3)}), read_latency(table(ROWS), (2, 3))])
    assert both.names == ("a", "latency")
    assert {name: values.tolist() for name, values in both(np.array([[1, 2]])).items()} == {"a": [5], "latency": [17.5]}
    with pytest.raises(ValueError, match="a name of its own, got a, a"):
        JointCosts([TableCosts({"a": np.zeros(2)}), SummedCosts("a", np.zeros((1, 2)))])


def test_prices_can_be_sent_to_workers():
    sent = pickle.loads(pickle.dumps(JointCosts([ClosedFormCosts(COSTS)])))
    chain = ChainGenotype("nas-bench-macro", (1,) * 8)
    assert costs_of(sent, chain) == costs_of(ClosedFormCosts(COSTS), chain)


def test_records_get_the_prices_and_keep_what_was_measured():
    def evaluator(jobs):
        records = [
            Record(index=job.trial.index, ok=job.trial.index == 0, metrics={"accuracy": 0.5, "params": 1.0})
            for job in jobs
        ]
        return [(record, b"weights") for record in records]

    chain = ChainGenotype("nas-bench-macro", (1,) * 8)
    jobs = [Job(Trial(index=i, genotype=chain, setting=None, start=0, stop=1), i, None) for i in range(2)]
    (good, weights), (bad, _) = CostedEvaluator(evaluator, ClosedFormCosts(COSTS))(jobs)
    assert good.metrics == {"macs": float(COSTS.of(chain).macs), "params": 1.0, "accuracy": 0.5}
    assert weights == b"weights"
    assert bad.metrics == {"accuracy": 0.5, "params": 1.0}


class Counted:
    """Costs that note how often they are asked."""

    def __init__(self, costs):
        self.costs, self.names, self.asked = costs, costs.names, 0

    def __call__(self, choices):
        self.asked += 1
        return self.costs(choices)


def test_what_a_record_says_already_is_not_priced_again():
    chain = ChainGenotype("nas-bench-macro", (1,) * 8)
    closed, latency = Counted(ClosedFormCosts(COSTS)), Counted(SummedCosts("latency", np.ones((8, 3))))
    both = JointCosts((closed, latency))
    metrics = {"accuracy": 0.5, "macs": 7, "params": 1}
    found = with_costs(both, chain, metrics)
    assert found == {**metrics, "latency": 8.0}
    assert with_costs(both, chain, found) == found
    assert (closed.asked, latency.asked) == (0, 1)
    assert with_costs(both, chain, {"params": 1}) == {"macs": float(COSTS.of(chain).macs), "params": 1, "latency": 8.0}
    assert (closed.asked, latency.asked) == (1, 2)
