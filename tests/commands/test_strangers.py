"""Runs of searches that are no experiments: their report and their models come through the older entry points."""

import json
import shutil

import numpy as np
import pytest

from tests.installed import install
from zoo.experiments import experiment_kind
from zoo.experiments.kinds import StudyExperiment
from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.spaces import ECONAS_SEARCH, Skeleton

HERE = "tests.commands.test_strangers"
SKELETON = Skeleton(channels=4, cells=3, resolution=8, in_channels=1, classes=10)
GROUPS = {
    "thriftnas.reports": {"hooked": f"{HERE}:report", "broken": f"{HERE}:no_report"},
    "thriftnas.experiments": {"misnamed": f"{HERE}:Misnamed", "no_class": f"{HERE}:report", "absent": f"{HERE}:Absent"},
    "thriftnas.models": {"hooked": f"{HERE}:extract", "broken": "no_such_package:extract"},
}


class Misnamed(StudyExperiment):
    """Its strategy has another name than its entry point."""

    name = "study"


def report(folder, console, as_json):
    """What a stranger's search has as its report."""
    (folder / "mine.txt").write_text("mine")
    if as_json:
        print(json.dumps({"mine": 4}))
    else:
        console.print("a report of its own")


def extract(folder, trial, record):
    """What a stranger's search has as the networks of its trials."""
    import torch

    from zoo.export.model import Model
    from zoo.networks.network import build_any

    network = build_any(trial.genotype, SKELETON, torch.Generator().manual_seed(trial.index)).eval()
    notes = {"trial": trial.index, "folder": folder.name}
    return Model(
        network=network,
        genotype=trial.genotype,
        skeleton=SKELETON,
        classes=tuple("0123456789"),
        mean=(0.5,),
        std=(0.2,),
        notes=notes,
    )


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    for group, places in GROUPS.items():
        install(monkeypatch, group, places)


every_kind = pytest.mark.parametrize("kind", ["hooked", "bare", "broken"])


@pytest.fixture
def run(kind, tmp_path):
    """A run of four trained networks that no command of this package has made."""
    folder = tmp_path / kind
    strategy = {"name": kind, "version": 1, "objectives": ["max accuracy", "min macs"], "limits": []}
    journal, setting = Journal.create(folder, {"strategy": strategy}), ProxySetting(0, 0, 0, 1)
    for i in range(4):
        genotype = ECONAS_SEARCH.sample(np.random.default_rng(i))
        journal.append_ask(1, [Trial(index=i, genotype=genotype, setting=setting, start=0, stop=1)])
        journal.append_tell([Record(index=i, ok=True, metrics={"accuracy": 0.5 + i / 10, "macs": 100.0 + i})])
    journal.close()
    return folder


@every_kind
def test_its_status_and_digest_are_read(thriftnas, run, tmp_path):
    state = json.loads(thriftnas("run", "status", run, "--json").out)
    assert (state["trials"], state["done"], state["best"]["index"]) == (4, 4, 3)
    digest = thriftnas("run", "digest", run).out
    shutil.copytree(run, tmp_path / "copy")
    assert thriftnas("run", "digest", tmp_path / "copy").out == digest


@every_kind
def test_its_report_is_its_own_or_its_front(thriftnas, run, kind):
    answer = thriftnas("run", "report", run)
    if kind == "hooked":
        assert "a report of its own" in answer.out
        assert json.loads(thriftnas("run", "report", run, "--json").out) == {"mine": 4}
    elif kind == "bare":
        assert (answer.code, (run / "front.html").exists()) == (0, True)
    else:
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert f"the report 'broken' of {HERE}:no_report cannot be loaded: AttributeError" in answer.err


@every_kind
def test_its_networks_are_exported_with_the_weights_it_has(thriftnas, run, kind, tmp_path):
    out = tmp_path / "out"
    answer = thriftnas("run", "export", run, "--format", "json,csv,state", "--models", 2, "--out", out)
    if kind == "hooked":
        assert answer.code == 0, answer.err
        assert {"model-01.json", "model-01.pt", "model-02.pt"} <= {path.name for path in out.iterdir()}
        return
    assert (answer.code, answer.err.count("\n"), out.exists()) == (2, 1, False)
    said = {"bare": "keeps no weights of trial", "broken": "the source of models 'broken' of"}
    assert said[kind] in answer.err


@pytest.mark.parametrize("kind", ["broken"])
def test_without_weights_what_the_run_is_does_not_matter(thriftnas, run, tmp_path):
    assert thriftnas("run", "export", run, "--format", "json", "--out", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "model-01.json").exists()


@pytest.mark.parametrize("kind", ["bare"])
def test_it_is_continued_by_nobody_but_its_own_command(thriftnas, run):
    answer = thriftnas("run", "resume", run)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "is no kind of run that is installed here" in answer.err


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("misnamed", f"the kind of run 'misnamed' of {HERE}:Misnamed must be a class of experiments with this name"),
        ("no_class", "must be a class of experiments with this name, got <function report"),
        ("absent", "'absent' of .* cannot be loaded: AttributeError"),
        ("elsewhere", "'elsewhere' is no kind of run that is installed here, expected absent, "),
    ],
)
def test_a_kind_of_run_that_is_none_is_one_line(kind, message):
    with pytest.raises(ValueError, match=message):
        experiment_kind(kind)
