"""The jobs from arrays, from a folder and on a table; options that are none; runs that are read again."""

import numpy as np
import pandas as pd
import pytest
import torch

import thriftnas
from tests.face.conftest import pictures, small
from thriftnas import options, reading
from thriftnas.material import source_of
from thriftnas.options import Given
from thriftnas.search_options import DartsOptions
from zoo.experiments import Listener, Run
from zoo.population.table import LAYOUTS


def told(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


class Killed(Exception):
    pass


class Impatient(Listener):
    """Stops the program after so many trials."""

    def __init__(self, trials: int) -> None:
        self.trials = trials

    def progressed(self, progress):
        if progress.trials >= self.trials:
            raise Killed


@pytest.fixture
def without_pages(monkeypatch):
    """Pages of fronts take seconds to draw; those of README's jobs are looked at where its lines run."""
    for module in (options, reading):
        monkeypatch.setattr(module, "report_of", lambda run: run)


# ---------------------------------------------------------------- a run made from arrays


@pytest.fixture(scope="module")
def built(data, tmp_path_factory):
    return thriftnas.build(data, tmp_path_factory.mktemp("built") / "run", **small("build", models=3))


@pytest.fixture
def stopped(data, tmp_path):
    """The same run, killed after one network."""
    with pytest.raises(Killed):
        thriftnas.build(data, tmp_path / "run", **small("build", models=3, progress=Impatient(1)))
    return tmp_path / "run"


def test_a_zoo_of_arrays_ends_with_a_model_tables_and_a_page(built):
    assert isinstance(built, Run)
    assert built.finished
    assert isinstance(built.trials, pd.DataFrame)
    assert len(built.records) == 3
    assert (built.folder / "report.html").exists()
    model = thriftnas.load_model(built.folder)
    assert model.notes["trial"] == built.model().notes["trial"]
    assert thriftnas.load_run(str(built.folder)).digest == built.digest


def test_the_command_says_that_only_python_can_resume_it(stopped, capsys):
    from zoo.cli import main

    assert main(["run", "resume", str(stopped)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().endswith("the run was made from arrays; resume in Python with images=")
    assert len(said.err.strip().splitlines()) == 1
    assert len(Run.open(stopped).records) == 1
    with pytest.raises(ValueError, match="made from arrays; resume in Python with images="):
        thriftnas.resume(stopped)


def test_resumed_with_its_images_it_ends_as_an_undisturbed_run(built, stopped, data):
    tensors = torch.from_numpy(data[0].transpose(0, 3, 1, 2).copy()), torch.from_numpy(data[1])
    done = thriftnas.resume(stopped, images=tensors, progress=False)
    assert done.finished
    assert done.digest == built.digest
    assert (done.folder / "report.html").exists()


def test_other_images_are_refused(stopped):
    before = Run.open(stopped).digest
    with pytest.raises(ValueError, match="holds another run: data") as error:
        thriftnas.resume(stopped, images=pictures(1), progress=False)
    told(error)
    assert Run.open(stopped).digest == before


def test_how_many_images_were_taken_is_kept(data, tmp_path):
    with pytest.raises(Killed):
        thriftnas.build(
            data, tmp_path / "run", **small("build", models=1, train=30, validation=9, progress=Impatient(0))
        )
    run = thriftnas.resume(tmp_path / "run", images=data, progress=False)
    assert run.finished
    assert (run.facts()["data"]["train"], run.facts()["data"]["validation"]) == (30, 9)


def test_a_front_of_a_supernet_of_arrays_is_resumed_with_the_images(data, tmp_path, without_pages):
    supernet = thriftnas.supernet(data, tmp_path / "supernet", **small("supernet", train=32))
    with pytest.raises(ValueError, match="needs the images it was trained on"):
        thriftnas.front(supernet, tmp_path / "run", **small("front"))
    with pytest.raises(Killed):
        thriftnas.front(
            supernet.folder, tmp_path / "run", images=data, **small("front", group=3, progress=Impatient(3))
        )
    with pytest.raises(ValueError, match="made from arrays; resume in Python"):
        thriftnas.resume(tmp_path / "run")
    run = thriftnas.resume(tmp_path / "run", images=data, progress=False)
    assert run.finished
    assert len(run.front().frame()) >= 6


def test_a_name_is_a_data_set_even_where_a_folder_has_it_and_any_other_folder_is_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "photos"):
        (tmp_path / name).mkdir()
    assert source_of("digits").to_dict()["name"] == "digits"
    assert source_of("photos", train=3).to_dict()["name"] == f"imagefolder:{tmp_path / 'photos'}"
    assert source_of(tmp_path / "digits").to_dict()["name"] == f"imagefolder:{tmp_path / 'digits'}"


# ---------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table with every chain of a small benchmark and invented accuracies."""
    layout, rng = LAYOUTS[1], np.random.default_rng(0)
    choices = np.array(list(np.ndindex(layout.space.options)))
    worth = choices @ np.arange(1, 1 + choices.shape[1])
    columns = {layout.architecture: [layout.space.write(tuple(map(int, one))) for one in choices]}
    for column in layout.accuracy.values():
        columns[column] = np.round(40 + 50 * worth / worth.max() + rng.normal(size=len(worth)), 3)
    columns |= {column: worth + 1.0 for column, _ in layout.costs.values()}
    path = tmp_path_factory.mktemp("table") / "table.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_econas_and_fronts_run_on_a_table_and_are_resumed_from_it(table, tmp_path, without_pages):
    run = thriftnas.econas(table=table, folder=tmp_path / "econas", budget=1500, start=8, parents=(4,), progress=False)
    assert run.finished
    assert run.summary["data"] == "nas-bench-macro"
    assert thriftnas.resume(run.folder, progress=False).digest == run.digest
    found = thriftnas.front(
        table=table, folder=tmp_path / "front", maximize="accuracy", minimize=["macs"],
        weights={"accuracy": 0.7, "macs": 0.3}, **small("front"),
    )  # fmt: skip
    assert found.finished
    assert [str(one) for one in found.front().objectives] == ["max accuracy", "min macs"]
    assert found.experiment.goal.weights == (0.7, 0.3)


def test_what_trains_has_no_use_on_a_table(table, tmp_path):
    with pytest.raises(ValueError, match="econas has no use here for cells, cutout, expected") as error:
        thriftnas.econas(table=table, folder=tmp_path / "run", cells=3, cutout=True)
    told(error)
    with pytest.raises(ValueError, match="no training in stages, expected 1, got 3"):
        thriftnas.econas(table=table, folder=tmp_path / "run", stages=3)
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("job", "arguments", "more", "message"),
    [
        ("study", ["digits"], {"modells": 3}, "study has no option 'modells', expected models"),
        ("build", ["digits"], {"xyz": 3}, "build has no option 'xyz', expected .*batch, "),
        ("study", ["digits"], {"target": 2}, "the target must lie between 0 and 1, got 2"),
        ("train", ["DARTS_V3", "digits"], {}, "'DARTS_V3' is neither a file nor a public name"),
        ("train", ["DARTS_V2", "digits"], {"workers": 2}, "train has no option 'workers'"),
        ("train", ["SCARLET_A", "digits"], {"cells": 3}, "a chain has no cells"),
        ("train", ["DARTS_V2", pictures()], {"stream": True}, "only images in files are decoded while"),
        ("build", [{"a": 1}], {}, "images must be a name, a folder or .*, got dict"),
        ("build", ["nowhere"], {}, "nowhere"),
        ("econas", [], {}, "either images or table=FILE"),
        ("front", [], {}, "either a supernet or table=FILE"),
        ("front", ["nowhere"], {}, "needs the images it was trained on"),
        ("supernet", ["digits"], {"sampling": "none"}, "or fair-ranked, got 'none'"),
        ("darts", ["digits"], {"topology": "round"}, "topology must be one of"),
        ("build", ["digits"], {"seed": -1}, "the seed at least 0, got 1 and -1"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(job, arguments, more, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        getattr(thriftnas, job)(*arguments, folder=tmp_path / "run", **more)
    told(error)
    assert not (tmp_path / "run").exists()


def test_options_and_defaults_are_those_of_the_command_line(tmp_path):
    """Every option of a command is one of its function, but for what only a console needs."""
    import typer

    from thriftnas import job_options, search_options
    from zoo.cli import app

    console = {
        "data",
        "out",
        "time",
        "dry_run",
        "as_json",
        "genotype",
        "table",
        "supernet",
        "resolution",
        "help",
        "quiet",
    }
    command = typer.main.get_command(app)
    for path, known in {
        "zoo study": job_options.StudyOptions,
        "zoo build": job_options.BuildOptions,
        "zoo train": job_options.TrainOptions,
        "econas search": search_options.EcoNASOptions,
        "scarlet train": search_options.SupernetOptions,
        "scarlet search": search_options.FrontOptions,
        "darts search": search_options.DartsOptions,
    }.items():
        group, name = path.split()
        with typer.Context(command) as context:
            found = command.get_command(context, group)
            found = found.get_command(context, name)
            names = {one.name for one in found.params if not getattr(one, "hidden", False)} - console
        # a preset is a word for other options, which Python users write themselves
        assert names - known.__optional_keys__ <= {"path_dropout", "preset"}, path


def test_a_setup_differs_from_the_defaults_only_where_it_was_asked_to():
    given = Given("darts", {"lam": 0.5, "epochs": None, "cells": 4}, DartsOptions)
    assert given.named({"lam": None, "epochs": None, "cells": "count"}) == {"lam": 0.5, "count": 4}
    assert given.take("update", "milenas1") == "milenas1"
