"""`econas search`: from random cells to a trained network, whatever interrupts it."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.killing import finish, kill_often
from zoo.data import load
from zoo.data.image_set import ImageSet, Split
from zoo.export import load_model
from zoo.population.journal import Journal

pytestmark = pytest.mark.usefixtures("without_drawing")

SEARCH = [
    *("econas", "search", "--data", "digits", "--channels", "4", "--cells", "3", "--resolution", "8"),
    *("--train", "40", "--val", "20", "--batch", "20", "--setting", "c1r0s0e2", "--stages", "2", "--start", "4"),
    *("--parents", "2,1", "--promotions", "1", "--generations", "2", "--reference", "c0r0s0e2"),
    *("--finalists", "2", "--final-batch", "20"),
]


@pytest.fixture(scope="module")
def searched(thriftnas, tmp_path_factory):
    folder = tmp_path_factory.mktemp("econas") / "run"
    answer = thriftnas(*SEARCH, "--out", folder)
    assert answer.code == 0, answer.err
    return folder, answer


@pytest.fixture
def folder(searched, tmp_path):
    return Path(shutil.copytree(searched[0], tmp_path / "searched"))


def trials(folder):
    journal = Journal.open(folder, readonly=True)
    found = journal.trials(), journal.records()
    journal.close()
    return found


# ---------------------------------------------------------------- what it leaves


def test_a_search_ends_with_a_network_its_genotype_and_a_report(searched):
    folder, answer = searched
    names = {path.name for path in folder.iterdir()}
    assert {"journal.sqlite", "best.json", "model.pt", "genotype.json", "report.html"} <= names
    assert (
        answer.out.rstrip().splitlines()[-1]
        == f"Model: {folder}/model.pt (use: thriftnas predict {folder}/model.pt IMAGE)"
    )
    model = load_model(folder / "model.pt")
    assert model.genotype.to_dict() == json.loads((folder / "genotype.json").read_text())


def test_the_winner_is_the_best_of_the_retrained_by_validation(folder):
    asked, records = trials(folder)
    last = [trial for trial in asked if trial.role == "retrain" and trial.stop == 2]
    assert len(last) == 2
    best = json.loads((folder / "best.json").read_text())
    assert best["accuracy"] == max(records[trial.index].metrics["accuracy"] for trial in last)
    assert best["genotype"] == asked[best["trial"]].genotype.to_dict()


def test_retraining_has_the_final_recipe_and_the_search_its_own(folder):
    journal = Journal.open(folder, readonly=True)
    search, final = journal.identity["setup"]["recipe"], journal.identity["final"]["recipe"]
    journal.close()
    assert (search["lr"], search["lr_min"], search["cutout"], search["path_dropout"]) == (0.1, 0.0, 0.0, 0.0)
    assert (final["lr"], final["lr_min"], final["cutout"], final["path_dropout"]) == (0.025, 0.001, 0.5, 0.2)


def test_its_network_is_exported(thriftnas, folder):
    answer = thriftnas("run", "export", folder, "--format", "state", "--json")
    assert answer.code == 0, answer.err
    (model,) = json.loads(answer.out)["models"]
    assert model["key"] == load_model(folder / "model.pt").genotype.key
    assert load_model(folder / "export" / model["files"]["state"]).genotype == load_model(folder / "model.pt").genotype


def test_only_the_retrained_networks_weights_are_left(folder):
    asked, records = trials(folder)
    last = {records[trial.index].checkpoint for trial in asked if trial.role == "retrain" and trial.stop == 2}
    assert {path.name for path in (folder / "checkpoints").iterdir()} == last


def test_the_test_images_choose_nothing(thriftnas, searched, tmp_path, monkeypatch, digest):
    def with_other_test_images(*arguments, **settings):
        images = load(*arguments, **settings)
        noise = np.random.default_rng(0).integers(0, 256, images.test.images.shape, dtype=np.uint8)
        fields = {field.name: getattr(images, field.name) for field in dataclasses.fields(images) if field.init}
        return ImageSet(**{**fields, "test": Split(images=noise, labels=np.zeros_like(images.test.labels))})

    monkeypatch.setattr("zoo.data.load", with_other_test_images)
    answer = thriftnas(*SEARCH, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    ours, theirs = (json.loads((path / "best.json").read_text()) for path in (tmp_path / "run", searched[0]))
    assert (ours["trial"], ours["accuracy"]) == (theirs["trial"], theirs["accuracy"])
    assert ours["test_accuracy"] != theirs["test_accuracy"]
    assert json.loads(answer.out)["test_accuracy"] == ours["test_accuracy"]


# ---------------------------------------------------------------- again, elsewhere, interrupted


def test_a_finished_search_trains_nothing_again(thriftnas, folder, monkeypatch, digest):
    def refuse(*_: object) -> None:
        raise AssertionError("nothing was left to train")

    before = digest(folder)
    monkeypatch.setattr("econas.evaluator.make_evaluator", refuse)
    assert thriftnas(*SEARCH, "--out", folder).code == 0
    assert digest(folder) == before


@pytest.mark.slow  # on a table it is quick
def test_stopped_by_its_time_a_search_says_so_and_goes_on(thriftnas, searched, tmp_path, digest):
    answer = thriftnas(*SEARCH, "--out", tmp_path / "run", "--time", "0.1s")
    assert answer.code == 0
    assert "the same command continues" in answer.out
    assert not (tmp_path / "run" / "best.json").exists()
    assert thriftnas("run", "resume", tmp_path / "run", "--time", "10m").code == 0
    assert digest(tmp_path / "run") == digest(searched[0])


@pytest.mark.slow
@pytest.mark.parametrize("counts", [(8,), (2, 8, 13)], ids=len)
def test_a_search_killed_ends_with_the_same_winner_and_digest(searched, tmp_path, digest, counts):
    run, log = tmp_path / "run", tmp_path / "log"
    rng = random.Random(1)
    moments = [(rng.randint(count, count + 2), rng.uniform(0, 0.05)) for count in counts]
    kill_often([*SEARCH, "--out", str(run)], run, log, moments)
    assert digest(run) != digest(searched[0])
    finish([*SEARCH, "--out", str(run)], log)
    assert digest(run) == digest(searched[0])
    assert (run / "genotype.json").read_bytes() == (searched[0] / "genotype.json").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_digest(searched, tmp_path, digest, workers):
    finish([*SEARCH, "--workers", str(workers), "--out", str(tmp_path / "run")], tmp_path / "log")
    assert digest(tmp_path / "run") == digest(searched[0])


def test_another_search_in_the_same_folder_is_refused(thriftnas, folder):
    answer = thriftnas(*SEARCH, "--generations", "3", "--out", folder)
    assert answer.code == 2
    assert "cycles is 2 there, got 3" in answer.err


@pytest.mark.parametrize("method", [pytest.param("random", marks=pytest.mark.slow), "evolution"])
def test_what_it_is_compared_with_runs_on_the_same_budget(thriftnas, tmp_path, method):
    answer = thriftnas(*SEARCH, "--method", method, "--budget", "32", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    asked, _ = trials(tmp_path / "run")
    assert {trial.role for trial in asked} == {"child", "retrain"}
    assert sum(trial.stop - trial.start for trial in asked if trial.role == "child") <= 32
    assert (tmp_path / "run" / "model.pt").exists()


def test_audits_are_journaled_and_said(thriftnas, tmp_path):
    options = (
        "--surrogate",
        "none",
        "--audit",
        "escalate",
        "--audits",
        "1",
        "--audit-share",
        "0.8",
        "--audit-limit",
        "0.99",
    )
    options += ("--generations", "3")
    answer = thriftnas(*SEARCH, *options, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    journal = Journal.open(tmp_path / "run", readonly=True)
    verdicts, asked = journal.get("audits"), journal.trials()
    journal.close()
    assert len(verdicts) == 1
    assert verdicts[0]["setting"] == "c1r0s0e2"
    assert verdicts[0]["reference"] == "c0r0s0e2"
    assert sum(trial.role == "audit" for trial in asked) >= 4
    assert "audit: cycle" in answer.out
    if verdicts[0]["decision"] == "escalated":
        assert any(trial.role == "renewal" for trial in asked)


def test_the_estimate_leaves_nothing_behind(thriftnas, tmp_path):
    answer = thriftnas(*SEARCH, "--out", tmp_path / "run", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["retraining_epochs"] == 4
    assert not (tmp_path / "run").exists()


def test_the_report_is_written_again_on_demand(thriftnas, folder):
    (folder / "report.html").unlink()
    assert thriftnas("run", "report", folder).code == 0
    assert (folder / "report.html").exists()
    assert thriftnas("run", "status", folder).code == 0


# ---------------------------------------------------------------- bad input

WRONG = {
    "cannot be divided into 4 equal stages": ["--setting", "c1r0s0e2", "--stages", "4"],
    "more promotions than networks": ["--promotions", "40"],
    "the start and one cycle need": ["--budget", "5"],
    "pays no training at c0r0s0e2": ["--budget", "10", "--final-share", "0.001"],
    "promotions needs one number per stage but the last": ["--promotions", "1,1"],
    "parents must be whole numbers with commas": ["--parents", "two"],
    "the final setting must differ": ["--reference", "c1r0s0e2"],
    "ends with its budget, expected --budget": ["--method", "random"],
    "expected --method": ["--method", "magic"],
    "has neither audits nor cycles": ["--method", "random", "--budget", "60", "--audit", "warn"],
    "--audit auto|off|warn|escalate": ["--audit", "sometimes"],
    "has no audits, expected --surrogate none": ["--audit", "warn"],
    "the method random has no surrogate": ["--method", "random", "--budget", "60", "--surrogate", "forest"],
    "the surrogate is one of none, auto, forest, gp, got 'tree'": ["--surrogate", "tree"],
    "of 4 networks at c0r0s0e2 cost": ["--surrogate", "none", "--audit", "warn"],
    "no setting here is dearer": [
        "--surrogate",
        "none",
        "--setting",
        "c0r0s0e2",
        "--reference",
        "c0r0s0e4",
        "--audit",
        "warn",
    ],
    "group and audits must be at least 1": ["--group", "0"],
    "unknown search space": ["--space", "everything"],
    "is not a proxy setting": ["--reference", "best"],
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_one_line_and_leaves_nothing(thriftnas, tmp_path, message):
    answer = thriftnas(*SEARCH, *WRONG[message], "--out", tmp_path / "run")
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.startswith("error: ")
    assert len(answer.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
