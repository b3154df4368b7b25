"""Signal and metric as options: in identities, on the command line, in Python."""

import json
from dataclasses import replace

import pytest

import thriftnas as face
from econas.strategy.parameters import Parameters
from econas.table_experiment import TableExperiment
from tests.commands.conftest import call
from tests.commands.test_econas import SEARCH
from tests.commands.test_econas_table import SEARCH as ON_TABLE
from tests.commands.test_econas_table import invented
from tests.econas.test_experiment import STORED, journaled, planned
from thriftnas.options import Given
from zoo.commands import running
from zoo.experiments import Run
from zoo.population.table import LAYOUTS

# ---------------------------------------------------------------- identity


def test_what_is_accuracy_is_left_out_and_all_else_is_part_of_the_run(small):
    assert not {"signal", "metric"} & set(small().to_dict())
    assert Parameters.from_dict(small().to_dict()) == small()
    other = small(signal="train_loss_sum", metric="balanced_accuracy")
    data = json.loads(json.dumps(other.to_dict()))
    assert (data["signal"], data["metric"]) == ("train_loss_sum", "balanced_accuracy")
    assert Parameters.from_dict(data) == other
    experiment = planned(signal="loss")
    assert type(experiment).from_identity(journaled(experiment), {}) == replace(experiment, audits=None)


@pytest.mark.parametrize("kind", STORED)
def test_a_run_from_before_signals_goes_on_by_accuracy(kind):
    read = type(planned()).from_identity(STORED[kind], {})
    assert (read.parameters.signal, read.parameters.metric) == ("accuracy", "accuracy")
    assert journaled(read)["strategy"] == STORED[kind]["strategy"] | {"version": read.version}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": "magic"}, "signal: expected accuracy, balanced_accuracy, loss, train_loss, train_loss_sum"),
        ({"metric": "loss"}, "metric must be accuracy or balanced_accuracy, got 'loss'"),
    ],
)
def test_unknown_names_are_refused(small, changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


# ---------------------------------------------------------------- the command and the face


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return invented(LAYOUTS[1], tmp_path_factory.mktemp("table"))


def refused(folder, message, *words):
    answer = call(*words, "--out", folder)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert len(answer.err.strip().splitlines()) == 1
    assert message in answer.err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--signal", "magic", "signal: expected accuracy, balanced_accuracy, loss"),
        ("--metric", "loss", "metric must be accuracy or balanced_accuracy, got 'loss'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, table, option, value, message):
    refused(tmp_path / "run", message, *SEARCH, option, value)
    refused(tmp_path / "run", message, *ON_TABLE, "--table", table, option, value)


@pytest.mark.parametrize(("name", "value"), [("signal", "loss"), ("metric", "balanced_accuracy")])
def test_a_table_has_nothing_but_accuracy(tmp_path, table, name, value):
    message = f"a table has nothing but accuracy, expected --{name} accuracy, got '{value}'"
    refused(tmp_path / "run", message, *ON_TABLE, "--table", table, f"--{name}", value)
    with pytest.raises(ValueError, match=message):
        face.econas(table=table, folder=tmp_path / "run", **{name: value})
    with pytest.raises(ValueError, match=message):
        TableExperiment(parameters=replace(Parameters(), **{name: value}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("named", "signal"), [({}, "train_loss_late"), ({"signal": "accuracy"}, "accuracy")])
def test_images_are_ranked_by_training_losses_unless_a_signal_is_named(monkeypatch, tmp_path, named, signal):
    asked = []
    monkeypatch.setattr(running, "perform", lambda context, experiment, *others: asked.append(experiment))
    monkeypatch.setattr(Given, "run", lambda self, experiment, *others: asked.append(experiment))
    options = [word for name, value in named.items() for word in (f"--{name}", value)]
    assert call(*SEARCH, *options, "--out", tmp_path / "run").code == 0
    face.econas("digits", tmp_path / "run", setting="c0r0s0e3", budget=4000.0, **named)
    assert [one.parameters.signal for one in asked] == [signal] * 2


def test_a_table_is_ranked_by_accuracy(monkeypatch, tmp_path, table):
    asked = []
    monkeypatch.setattr(running, "perform", lambda context, experiment, *others: asked.append(experiment))
    monkeypatch.setattr(Given, "run", lambda self, experiment, *others: asked.append(experiment))
    assert call(*ON_TABLE, "--table", table, "--out", tmp_path / "run").code == 0
    face.econas(table=table, folder=tmp_path / "run")
    assert [one.parameters.signal for one in asked] == ["accuracy"] * 2


def test_a_search_goes_by_a_signal_from_end_to_end(tmp_path):
    options = ("--signal", "train_loss", "--metric", "balanced_accuracy")
    answer = call(*SEARCH, *options, "--surrogate", "none", "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    run = Run.open(tmp_path / "run")
    assert run.identity["strategy"]["parameters"]["signal"] == "train_loss"
    frame = run.frame
    starts = frame[(frame["role"] == "child") & (frame["index"] < 4)]
    asked = frame[frame["role"] == "promotion"]["resumes"].iloc[0]
    assert starts.set_index("index")["train_loss"].idxmin() == asked
    best = json.loads((run.folder / "best.json").read_text())
    ends = frame[(frame["role"] == "retrain") & (frame["stop"] == 2)]
    assert best["balanced_accuracy"] == ends["balanced_accuracy"].max()
    said = json.loads(answer.out)
    assert (said["signal"], said["metric"]) == ("train_loss", "balanced_accuracy")
    assert said["test_balanced_accuracy"] == best["test_balanced_accuracy"]
    again = call(*SEARCH, "--out", run.folder)
    assert again.code == 2
    assert "parameters" in again.err
    assert (
        "Ranked by training loss of the last epoch; of the same 2, other signals would have retrained: "
        in call("run", "report", run.folder).out
    )
