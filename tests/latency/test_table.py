"""Latencies: a table of blocks adds up to whole networks, `--latency` reads it, a busy machine is said to be one."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch

from zoo.latency import stopwatch as clock
from zoo.latency import table as tables
from zoo.latency.chain_blocks import OUTSIDE, ChainBlocks, chain_parts
from zoo.latency.overview import table_sentences
from zoo.latency.stopwatch import Stopwatch
from zoo.latency.table import measure_table
from zoo.networks.chain_network import build_chain
from zoo.population.costs import costs_of, read_latency
from zoo.spaces.chain_cost import sized_skeleton
from zoo.spaces.chain_space import CHAIN_SPACES, choice_names

SPACES = ("nas-bench-macro", "scarlet-s2-cifar")


@pytest.fixture
def counted(monkeypatch):
    """A clock on which a call takes a microsecond per weight of its module, however busy the machine is."""

    def call(self, module, shape):
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))  # it does take what it is given
        return lambda: sum(weight.numel() for weight in module.parameters())

    monkeypatch.setattr(Stopwatch, "call", call)
    monkeypatch.setattr(clock, "_seconds", lambda call, count: call() * 1e-6)


def small(space):
    return sized_skeleton(space, channels=4, resolution=8, classes=3)


@pytest.mark.parametrize("space", SPACES)
def test_blocks_add_up_to_networks(space):
    """Every layer and choice has a part; a network has the weights of its parts, where no skip is before."""
    parts, skeleton = chain_parts(space, small(space)), small(space)
    found = CHAIN_SPACES[space]
    inside = {place for part in parts for place in part.places if place != OUTSIDE}
    assert inside == {(layer, choice) for layer, count in enumerate(found.options) for choice in range(count)}
    weights = {place: sum(w.numel() for w in p.module.parameters()) for p in parts for place in p.places}
    outside = sum(w.numel() for p in parts if OUTSIDE in p.places for w in p.module.parameters())
    skips = {number for number, name in enumerate(choice_names(found)) if name == "I"}
    rng = np.random.default_rng(0)
    for _ in range(20):
        choices = tuple(int(rng.choice([c for c in range(count) if c not in skips])) for count in found.options)
        chain = dataclasses.replace(found.sample(rng), choices=choices)
        network = build_chain(chain, skeleton, torch.Generator().manual_seed(0))
        whole = sum(w.numel() for w in network.parameters())
        assert outside + sum(weights[place] for place in enumerate(choices)) == whole


def test_the_table_is_what_a_search_reads(counted, tmp_path):
    found = measure_table(ChainBlocks("nas-bench-macro", small("nas-bench-macro")), Stopwatch(batch=2), 12, seed=0)
    assert found.check.networks == 12
    assert found.check.error < 1e-9  # sums of weights are sums
    assert (found.check.within, found.check.noise) == (1.0, 0.0)
    assert found.check.rank == pytest.approx(1.0)
    found.write(tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert rows[0] == {"layer": "", "choice": "", "latency": rows[0]["latency"]}
    assert {row["choice"] for row in rows[1:]} == set(choice_names(CHAIN_SPACES["nas-bench-macro"]))
    space = CHAIN_SPACES["nas-bench-macro"]
    read = read_latency(tmp_path / "t.csv", space.options, choice_names(space))
    for seed in range(5):
        chain = space.sample(np.random.default_rng(seed))
        assert costs_of(read, chain)["latency"] == pytest.approx(found.of(chain))
    facts = json.loads((tmp_path / "t.csv.json").read_text())
    assert (facts["unit"], facts["batch"], facts["runtime"]) == ("milliseconds per batch", 2, "torch")
    assert "100 % within 10 %" in " ".join(table_sentences(found, tmp_path / "t.csv"))


def test_the_scale_is_that_of_whole_networks(counted, monkeypatch):
    """Networks that take twice as long as their blocks alone double the table, and the check stays exact."""
    monkeypatch.setattr(tables, "_timed_twice", lambda chains, *more: tuple(2 * t for t in real(chains, *more)))
    found = measure_table(ChainBlocks("nas-bench-macro", small("nas-bench-macro")), Stopwatch(), 5, seed=0)
    assert found.scale == pytest.approx(2.0)
    assert found.check.error < 1e-9


real = tables._timed_twice


def test_a_busy_machine_is_said_to_be_one(counted, monkeypatch):
    def noisy(chains, *more):
        first, second = real(chains, *more)
        return first, 1.2 * second

    monkeypatch.setattr(tables, "_timed_twice", noisy)
    found = measure_table(ChainBlocks("nas-bench-macro", small("nas-bench-macro")), Stopwatch(), 5, seed=0)
    assert found.check.noise == pytest.approx(0.2 / 1.1)
    assert "too busy to judge" in table_sentences(found, "t.csv")[-1]


def test_names_and_numbers_of_choices_mean_the_same(tmp_path):
    space = CHAIN_SPACES["nas-bench-201"]
    names = choice_names(space)
    for label in (lambda c: names[c], str):
        lines = ["layer,choice,latency", *(f"{e},{label(c)},{e + c / 8}" for e in range(6) for c in range(5))]
        (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
        assert read_latency(tmp_path / "t.csv", space.options, names).values[3].tolist() == [
            3 + c / 8 for c in range(5)
        ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": 0}, "at least 1"),
        ({"threads": 0}, "at least 1"),
        ({"runtime": "tflite"}, "unknown runtime 'tflite'"),
        ({"device": "toaster"}, "toaster"),
        ({"runtime": "onnxruntime", "device": "cuda"}, "no device cuda|on the CPU only"),
    ],
)
def test_a_stopwatch_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Stopwatch(**given)


@pytest.mark.parametrize("predicted", [[1.0, 2.0], [1.0, 1.0, 1.0]], ids=["too few", "all equal"])
def test_a_correlation_that_nobody_knows_is_none_and_said(predicted: list[float]) -> None:
    """JSON has no NaN: it would end the command after everything was timed."""
    measured = np.arange(1.0, len(predicted) + 1)
    check = tables._checked(np.array(predicted), measured, measured)
    assert check.rank is None
    json.dumps(dataclasses.asdict(check), allow_nan=False)
    known = tables._checked(measured, measured, measured)
    assert known.rank == (None if len(predicted) < 3 else pytest.approx(1))
