"""Scores without training among the trials of a run: batches, journal, front."""

import pytest

from zoo.population import FixedList, Job, Journal, ProxySetting, Record, Trial
from zoo.population.run_front import read_front
from zoo.population.schema_1 import converted
from zoo.population.table import Table
from zoo.spaces.chain_space import NAS_BENCH_MACRO
from zoo.spaces.genotype import ChainGenotype

REDUCED, FULL = (ProxySetting.parse(text) for text in ("c4r4s0e3", "c0r0s0e1"))


def trained(index, network=0):
    return Trial(index=index, genotype=chain(network), setting=REDUCED, start=0, stop=3)


def scored(index, measure, network=0):
    return Trial(index=index, genotype=chain(network), setting=FULL, start=0, stop=0, measure=measure, role="score")


def chain(network):
    return ChainGenotype("nas-bench-macro", (network,) + (0,) * 7)


def journal(*trials):
    made = Journal.memory({"strategy": {"name": "test"}})
    for trial in trials:
        made.append_ask(1, [trial])
        metrics = {trial.measure: 7.0} if trial.stop == 0 else {"accuracy": 0.5}
        made.append_tell([Record(index=trial.index, ok=True, metrics={**metrics, "macs": 9.0})])
    return made


def test_a_batch_has_one_measure():
    trials = [scored(0, "snip"), scored(1, "snip"), scored(2, "zico"), trained(3), trained(4)]
    strategy, asked = FixedList(trials), []
    while batch := strategy.ask(5, sum(map(len, asked))):
        asked.append(batch)
    assert asked == [trials[:2], trials[2:3], trials[3:]]
    assert strategy.resumable() == set()


def test_a_journal_gives_scores_back_and_its_frame_says_what_was_measured():
    trials = [trained(0), scored(1, "snip"), scored(2, "macs")]
    held = journal(*trials)
    assert held.trials() == trials
    frame = held.frame()
    assert frame["measure"].tolist() == ["training", "snip", "macs"]
    assert frame["snip"].tolist()[1] == 7
    assert frame["epochs_paid"].tolist() == [0, 0, 0]
    assert "measure" not in journal(trained(0)).frame()


def test_a_score_is_another_request_than_a_training_and_than_another_score():
    digests = {journal(scored(0, name)).digest() for name in ("snip", "zico")}
    assert len(digests) == 2
    assert converted(scored(0, "snip")) == scored(0, "snip") != scored(0, "zico")


def test_a_score_is_no_point_of_a_front():
    """It has the least reduced setting of all, and no accuracy."""
    held = journal(trained(0), scored(1, "snip", network=1), trained(2, network=2), scored(3, "macs", network=2))
    assert [trial.index for trial in read_front(held).trials] == [0, 2]


def test_a_run_of_scores_alone_has_no_front():
    with pytest.raises(ValueError, match="the run has measured no network completely yet"):
        read_front(journal(scored(0, "snip")))


def test_a_table_of_trainings_refuses_a_score():
    table = Table(NAS_BENCH_MACRO, {chain(0).choices: {50: 0.9}})
    trial = Trial(index=4, genotype=chain(0), setting=None, start=0, stop=0, measure="snip")
    with pytest.raises(ValueError, match="the table knows trainings, got trial 4, the score 'snip'"):
        table([Job(trial, 4, None)])
