"""Limits on costs in EcoNAS: no network beyond them is asked for, and what nobody can keep is refused at once."""

import dataclasses
import json

import numpy as np
import pytest

from econas.experiment import EcoNASExperiment
from econas.history.report import search_report
from econas.limited_space import LimitedSpace
from econas.strategy.parameters import Parameters
from zoo.cli import main
from zoo.experiments import ImageSource, Resources, execute
from zoo.population import ProxySetting
from zoo.population.cell_latency import CellLatency, space_blocks
from zoo.population.front import Infeasible, Limit
from zoo.population.trial import ALONE, Job, Record
from zoo.spaces.cell_space import ECONAS_SEARCH, cell_space
from zoo.spaces.cost import cost
from zoo.spaces.skeleton import Skeleton
from zoo.training import Recipe, TrainingSetup
from zoo.training.comparison import BASELINE, CHANNELS, SIDE

pytestmark = pytest.mark.usefixtures("without_drawing")

SKELETON = Skeleton(channels=4, cells=3, resolution=8, in_channels=1, classes=10)
SOURCE = ImageSource(name="digits", train=60, validation=40, resolution=8)


def macs(genotype):
    return {"macs": cost(genotype, SKELETON).macs}


def within(*texts):
    return tuple(map(Limit.parse, texts))


DRAWN = sorted(macs(ECONAS_SEARCH.sample(np.random.default_rng(seed)))["macs"] for seed in range(100))


@pytest.mark.parametrize("share", [0.5, 0.0], ids=["loose", "tighter than 100 draws"])
def test_whatever_is_drawn_or_mutated_keeps_the_limits(share):
    bound = DRAWN[50] if share else DRAWN[0] * 0.7
    space, rng = LimitedSpace(ECONAS_SEARCH, macs, within(f"macs<={bound}")), np.random.default_rng(0)
    genotype = space.sample(rng)
    for _ in range(20):
        assert macs(genotype)["macs"] <= bound
        before, genotype = genotype, space.mutate(genotype, rng)
        assert genotype.key != before.key
        assert ECONAS_SEARCH.contains(genotype)


def test_limits_that_nobody_keeps_are_refused_with_the_nearest():
    space = LimitedSpace(ECONAS_SEARCH, macs, within("macs<=10", "macs>=1"))
    with pytest.raises(Infeasible, match=r"no network found with macs<=10: the nearest that was found has macs \d+"):
        space.require_networks(0)


def latencies(scale=1.0):
    return CellLatency(3, {b: scale * b.channels for b in space_blocks(cell_space("econas-search"), SKELETON)})


def planned(**changes):
    cheap = ProxySetting.parse("c1r0s0e1")
    parameters = Parameters(
        start=4, parents=(3,), promotions=(), stages=(1,), cycles=1, setting=cheap,
        final=ProxySetting.parse("c0r0s0e1"), finalists=1, final_every=1, final_price=1e-9,
    )  # fmt: skip
    recipe = Recipe(batch=30, lr=0.1, lr_min=0.0, cutout=0.0)
    setup = TrainingSetup(skeleton=dataclasses.replace(SKELETON, resolution=32), recipe=recipe)
    return EcoNASExperiment(parameters=parameters, setup=setup, final=setup, **changes)


@pytest.fixture(scope="module")
def images():
    return SOURCE.images(0)


def heard(_):
    """Nothing is to be heard."""


def test_the_identity_is_that_of_before_without_limits(images):
    told = planned().fitted(images, heard).identity()["strategy"]
    assert {"within", "latency"}.isdisjoint(told)


def test_latency_and_limits_come_back_out_of_the_journal(images):
    fitted = planned(latency=latencies(), within=within("latency<=400", "macs<=1e6")).fitted(images, heard)
    identity = json.loads(json.dumps(fitted.identity()))
    again = EcoNASExperiment.from_identity(identity, fitted.options())
    assert (again.latency, again.within) == (fitted.latency, fitted.within)
    assert json.loads(json.dumps(again.identity())) == identity


@pytest.mark.parametrize("surrogate", ["none", "gp"])
def test_no_network_beyond_the_limits_is_asked_for(images, surrogate):
    fitted = planned(latency=latencies(), within=within("latency<=300")).fitted(images, heard)
    fitted = dataclasses.replace(fitted, parameters=dataclasses.replace(fitted.parameters, surrogate=surrogate))
    free = planned(latency=latencies()).fitted(images, heard)
    prices = fitted.prices()
    assert any(prices(trial.genotype)["latency"] > 300 for trial in free.strategy().ask(4, 0))
    asked = fitted.strategy().ask(4, 0)
    assert len(asked) == 4
    assert all(prices(trial.genotype)["latency"] <= 300 for trial in asked)


def test_a_run_says_the_latency_of_its_networks(images, tmp_path):
    """In records, in the finalists, in the summary and in what is noted of the model."""
    run = execute(planned(latency=latencies(), within=within("latency<=300")), SOURCE, tmp_path / "run", Resources())
    frame = run.frame
    assert (frame["latency"] <= 300).all()
    report = search_report(run)
    assert report.tables["finalists"]["latency"].tolist() == [report.summary["latency"]]
    assert f"{report.summary['latency']:.4g} ms" in report.page
    assert "sha256" in report.page
    assert "sep_conv_3x3, 4, 4" not in report.page  # not the whole table
    assert json.loads((tmp_path / "run" / "best.json").read_text())["latency"] == report.summary["latency"]


def test_a_baseline_has_no_latency(images):
    """It has other channels than the table's networks, which would be an error."""
    fitted = planned(latency=latencies()).fitted(images, heard)
    (trial,) = fitted.strategy().ask(1, 0)
    evaluator = fitted.evaluator(images)
    record = Record(index=0, ok=True, metrics={"accuracy": 0.5})
    evaluator._trained = lambda setup: lambda jobs: [(record, None)]
    tags = {SIDE: BASELINE, CHANNELS: 6}
    ((alone, _),) = evaluator([Job(dataclasses.replace(trial, role=ALONE, tags=tags), 0, None)])
    assert "latency" not in alone.metrics
    ((found, _),) = evaluator([Job(trial, 0, None)])
    assert found.metrics["latency"] == fitted.latency_of(trial.genotype)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"within": within("accuracy>=0.5")}, "accuracy is not known before a training, expected one of macs, params$"),
        ({"within": within("latency<=5")}, "latency needs --latency FILE"),
        ({"method": "optuna:TPESampler", "within": within("macs<=5")}, "leave out --limit"),
    ],
)
def test_limits_that_cannot_be_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        planned(**given)


def test_a_table_of_other_networks_and_impossible_limits_end_before_a_training(tmp_path, capsys):
    """One line, exit code 2, and no run."""
    (tmp_path / "t.csv").write_text(latencies().csv())
    command = ["econas", "search", "--data", "digits", "--train", "60", "--val", "40", "--cells", "3",
               "--setting", "c1r0s0e2", "--stages", "2", "--reference", "c0r0s0e1", "--resolution", "8",
               "--parents", "3,2", "--promotions", "1",
               "--latency", str(tmp_path / "t.csv"), "--out", str(tmp_path / "run")]  # fmt: skip
    for channels, more, message in (
        ("8", [], "the table of latencies is for other networks"),
        ("4", ["--limit", "latency<=3"], "no network found with latency<=3: the nearest that was found has latency"),
        ("4", ["--limit", "latency<=-3"], "latency is never below 0"),
    ):
        assert main([*command, "--channels", channels, *more]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert message in lines[-1]
        assert not (tmp_path / "run").exists()
    assert main(["econas", "search", "--table", "t.csv", "--latency", "t.csv"]) == 2
    assert "leave out --latency or --table" in capsys.readouterr().err
