"""SCARLET's runs as experiments: identities as they always were, runs continued from their journal, models of them."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

import scarlet
from scarlet.extraction import inherited
from zoo.cli import main
from zoo.experiments import HeldSource, ImageSource, Run, execute, resume
from zoo.experiments.fronts import Wanted, deliver
from zoo.export import load_model
from zoo.population import ProxySetting
from zoo.population.front import Limit, objectives
from zoo.spaces import Skeleton
from zoo.training import TrainingSetup

pytestmark = pytest.mark.usefixtures("without_drawing")


def of_today(name, identity):
    """A stored identity with the version of today, which continues that of the stored one."""
    if name == "supernet":
        return identity
    assert identity["strategy"]["version"] in scarlet.FrontExperiment.continues
    return identity | {"strategy": identity["strategy"] | {"version": scarlet.FrontExperiment.version}}


STORED = {
    name: of_today(name, identity)
    for name, identity in json.loads((Path(__file__).parent / "identities.json").read_text()).items()
}
"""Identities of runs from before there were experiments, by what they are."""

DIGITS = ImageSource(name="digits", train=60, validation=40)
FEW = scarlet.SearchParameters(population=6, generations=3)
SEARCH = ["scarlet", "search", "--population", "6", "--generations", "1", "--group", "4", "--device", "cpu"]
SEARCH += ["--surrogate", "none"]  # it has tests of its own


def training(epochs=1):
    recipe = dataclasses.replace(scarlet.RECIPE, batch=20)
    setup = TrainingSetup(skeleton=Skeleton(channels=4, cells=8), recipe=recipe, seed=3, engine="auto")
    return scarlet.SupernetExperiment(
        form=scarlet.SupernetForm(space="nas-bench-macro"),
        setting=ProxySetting(0, 0, 0, epochs),
        setup=scarlet.SupernetSetup(training=setup, sampling="fair"),
    )


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """The run folder of a supernet."""
    folder = tmp_path_factory.mktemp("net") / "run"
    run = execute(training(), DIGITS, folder)
    assert run.finished
    assert run.summary["supernet"] == str(folder / "supernet.pt")
    return folder


@pytest.fixture
def latency(tmp_path):
    rows = [f"{layer},{choice},{(layer + 1) * choice}" for layer in range(8) for choice in range(3)]
    (tmp_path / "ms.csv").write_text("\n".join(["layer,choice,latency", *rows]) + "\n")
    return tmp_path / "ms.csv"


def sha(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def fitted(experiment, source):
    return experiment.fitted(source.load(experiment, lambda done, total: None), print)


# ---------------------------------------------------------------- identities


@pytest.mark.parametrize("name", STORED)
def test_an_identity_from_before_is_read_and_written_alike(name):
    kind = scarlet.SupernetExperiment if name == "supernet" else scarlet.FrontExperiment
    assert kind.from_identity(STORED[name], {}).identity() == STORED[name]


def test_a_training_made_today_has_the_identity_it_had():
    assert fitted(training(epochs=3), DIGITS).identity() == STORED["supernet"]


def test_searches_made_today_have_the_identities_they_had(net, table, latency):
    goal = scarlet.Goal(limits=(Limit.parse("macs<=2e5"),))
    setup = scarlet.SubnetSetup(recalibration=30)
    recalibrated = scarlet.FrontExperiment(goal=goal, parameters=FEW, group=4, setup=setup, signal="accuracy")
    found = fitted(recalibrated, scarlet.SupernetSource(supernet=net, images=DIGITS)).identity()
    source = STORED["recalibrated"]["source"] | {"supernet": sha(net / "supernet.pt")}
    assert found == STORED["recalibrated"] | {"source": source}

    goal = scarlet.Goal(limits=(Limit.parse("accuracy>=0.4"), Limit.parse("macs<=4e7")))
    plain = scarlet.FrontExperiment(goal=goal, parameters=FEW, group=4)
    found = fitted(plain, scarlet.TableSource(table=table)).identity()
    assert found == STORED["table"] | {"source": {"table": sha(table)}}

    wanted = objectives(["accuracy"], ["latency"])
    goal = scarlet.Goal(objectives=wanted, weights=(0.5, 0.5), limits=(Limit.parse("latency<=30"),))
    quick = scarlet.FrontExperiment(goal=goal, parameters=FEW, group=4)
    found = fitted(quick, scarlet.TableSource(table=table, latency=latency)).identity()
    assert found == STORED["latency"] | {"source": {"table": sha(table), "latency": sha(latency)}}


# ---------------------------------------------------------------- runs


def interrupted(monkeypatch, experiment, source, folder, batches):
    """Run until a batch after so many is asked for."""
    real, left = scarlet.FrontExperiment.evaluator, iter(range(batches))

    def torn(*arguments):
        evaluator = real(*arguments)

        def evaluate(jobs):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return evaluator(jobs)

        return evaluate

    with monkeypatch.context() as patch:
        patch.setattr(scarlet.FrontExperiment, "evaluator", torn)
        with pytest.raises(KeyboardInterrupt):
            execute(experiment, source, folder)


@pytest.mark.parametrize("what", [pytest.param("table", marks=pytest.mark.slow), "supernet"])
def test_a_search_is_resumed_from_its_journal_wherever_one_stands(what, net, table, tmp_path, monkeypatch):
    monkeypatch.chdir(table.parent if what == "table" else net.parent)
    if what == "table":
        source = scarlet.TableSource(table=Path(table.name))
    else:
        source = scarlet.SupernetSource(supernet=Path(net.name), images=DIGITS)
    experiment = scarlet.FrontExperiment(parameters=FEW, group=4, setup=scarlet.SubnetSetup(threads=1))
    whole = execute(experiment, source, tmp_path / "whole")
    interrupted(monkeypatch, experiment, source, tmp_path / "parts", 3)
    monkeypatch.chdir(tmp_path)
    run = resume(tmp_path / "parts")
    assert run.finished
    assert run.digest == whole.digest
    assert run.report().summary == whole.report().summary | {"run": "scarlet"}
    assert main(["run", "resume", str(tmp_path / "parts")]) == 0


def test_limits_that_cannot_be_kept_leave_nothing(table, tmp_path):
    experiment = scarlet.FrontExperiment(goal=scarlet.Goal(limits=(Limit.parse("macs<=1000"),)), parameters=FEW)
    with pytest.raises(ValueError, match="no network found with macs<=1000"):
        execute(experiment, scarlet.TableSource(table=table), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="does not know yet what it measures with"):
        experiment.strategy()


def test_a_search_says_what_it_costs_and_measures_nothing(net, table, tmp_path, capsys):
    for what in (["--table", str(table)], ["--supernet", str(net)]):
        assert main([*SEARCH, *what, "--dry-run", "--json", "--out", str(tmp_path / "run")]) == 0
        numbers = json.loads(capsys.readouterr().out)
        assert numbers["networks"] == 18
        assert numbers["hours"] > 0
    small = ["--space", "nas-bench-macro", "--channels", "4", "--train", "60", "--val", "40", "--batch", "20"]
    assert main(["scarlet", "train", *small, "--dry-run", "--json", "--out", str(tmp_path / "run")]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert (numbers["epochs"], numbers["parameters"]) == (60, 95562)
    assert not (tmp_path / "run").exists()


def test_a_report_of_a_training_comes_from_its_journal(net, tmp_path, capsys):
    folder = shutil.copytree(net, tmp_path / "run")
    assert main(["run", "report", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "95.6 k parameters; after 1 epochs random paths have a validation accuracy of" in said
    assert "Supernet: " in said
    assert (folder / "epochs.csv").read_text().splitlines()[0] == (
        "epoch,ok,train_loss,loss,accuracy,balanced_accuracy,block_similarity,skip_similarity,seconds"
    )
    assert "block similarity" in (folder / "report.html").read_text()


def test_a_supernet_has_no_path_dropout(tmp_path, capsys):
    assert main(["scarlet", "train", "--path-dropout", "0.2", "--out", str(tmp_path / "run")]) == 2
    assert "without path dropout" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- images of a supernet


def test_a_search_reads_the_images_its_supernet_was_trained_on(net, tmp_path, capsys):
    for name, supernet in (("folder", net), ("file", net / "supernet.pt")):
        assert main([*SEARCH, "--supernet", str(supernet), "--out", str(tmp_path / name)]) == 0, capsys.readouterr()
    assert Run.open(tmp_path / "folder").source.images == DIGITS
    assert Run.open(tmp_path / "folder").digest == Run.open(tmp_path / "file").digest
    capsys.readouterr()
    # what is named counts, and so does a number of images alone
    for more in (["--data", "digits"], ["--val", "30"]):
        assert main([*SEARCH, "--supernet", str(net), *more, "--out", str(tmp_path / "other")]) == 2
        assert "trained on other images" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_supernet_without_its_run_needs_images_by_name(net, tmp_path, capsys):
    shutil.copy(net / "supernet.pt", tmp_path / "supernet.pt")
    path = str(tmp_path / "supernet.pt")
    for words in ([*SEARCH, "--supernet", path, "--out", "run"], ["scarlet", "similarity", path]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: a supernet needs the images it was trained on: --data")
        assert said.count("\n") == 1
    named = ["--data", "digits", "--train", "60", "--val", "40"]
    assert main([*SEARCH, "--supernet", path, *named, "--out", str(tmp_path / "run")]) == 0


def test_extraction_and_similarity_read_the_supernets_images_too(net, tmp_path):
    supernet, out = str(net / "supernet.pt"), tmp_path / "model.pt"
    assert main(["scarlet", "extract", supernet, "01201121", "--recalibrate", "10", "--out", str(out)]) == 0
    assert main(["scarlet", "similarity", supernet, "--out", str(tmp_path / "plot.svg"), "--images", "8"]) == 0


def test_images_in_memory_are_given_again_to_resume_and_not_needed_to_export(net, tmp_path, capsys):
    held = HeldSource(material=DIGITS.images(3))
    run = execute(training(), held, tmp_path / "net")
    assert run.finished
    with pytest.raises(ValueError, match="a supernet needs the images it was trained on"):
        scarlet.supernet_images(tmp_path / "net")
    experiment = scarlet.FrontExperiment(parameters=FEW, group=4)
    source = scarlet.SupernetSource(supernet=tmp_path / "net", images=held)
    searched = execute(experiment, source, tmp_path / "run")
    with pytest.raises(ValueError, match="made from arrays; resume in Python with images="):
        resume(tmp_path / "run")
    assert resume(tmp_path / "run", source=source).digest == searched.digest
    models = deliver(searched, Wanted(models=2, formats=("state",)), tmp_path / "export")["models"]
    for model in models:  # with the statistics of images that are kept beside the run
        read = load_model(tmp_path / "export" / model["files"]["state"])
        found = read.predict(torch.tensor(held.material.validation.images)).argmax(dim=1).numpy()
        assert (found == held.material.validation.labels).mean() == pytest.approx(model["metrics"]["accuracy"])
    (tmp_path / "run" / "calibration.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(ValueError, match="is damaged"):
        deliver(searched, Wanted(models=2, formats=("state",)), tmp_path / "late")


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("recalibration", [0, 30])
def test_an_export_of_several_models_reads_the_supernet_once(net, tmp_path, monkeypatch, recalibration):
    experiment = scarlet.FrontExperiment(
        parameters=FEW, group=4, setup=scarlet.SubnetSetup(recalibration=recalibration)
    )
    run = execute(experiment, scarlet.SupernetSource(supernet=net, images=DIGITS), tmp_path / "run")
    read, supernets, images = inherited.read_supernet, [], []
    load = ImageSource.images
    monkeypatch.setattr(inherited, "read_supernet", lambda *given: supernets.append(given) or read(*given))
    monkeypatch.setattr(ImageSource, "images", lambda *given: images.append(given) or load(*given))
    found = deliver(run, Wanted(models=3, formats=("state",)), tmp_path / "export")
    assert len(found["models"]) == 3
    assert (len(supernets), len(images)) == (1, 1)  # those without recalibration fold inexactly, and need some
    for model in found["models"]:  # alone it is the same as after others
        with run.journal() as journal:
            trial, record = journal.trials()[model["trial"]], journal.records()[model["trial"]]
        alone = run.experiment.weights(run)(trial, record)
        assert alone.notes["folding_deviation"] == model["weights"]["notes"]["folding_deviation"]
        assert alone.notes["recalibrated"] == model["weights"]["notes"]["recalibrated"]


def test_a_search_on_a_table_has_no_weights(table, tmp_path):
    run = execute(scarlet.FrontExperiment(parameters=FEW), scarlet.TableSource(table=table), tmp_path / "run")
    with pytest.raises(ValueError, match="had no supernet: train a network with thriftnas zoo train"):
        deliver(run, Wanted(models=2, formats=("state",)), tmp_path / "export")


def test_the_old_names_of_options_are_accepted_with_a_notice(table, tmp_path, capsys):
    words = [*SEARCH, "--table", str(table), "--evaluations", "7", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    assert "--evaluations is called --budget now" in capsys.readouterr().err
    assert Run.open(tmp_path / "run").status["done"] == 7
