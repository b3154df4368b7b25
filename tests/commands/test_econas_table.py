"""`econas search --table`: EcoNAS and what it is compared with on a published table, where nothing is trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo.experiments import Run, resume
from zoo.population.table import LAYOUTS, read_table

pytestmark = pytest.mark.usefixtures("without_drawing")

SEARCH = ["econas", "search", "--budget", "1500", "--start", "8", "--parents", "4"]


def invented(layout, folder):
    """Every architecture of a benchmark, with costs, and accuracies that its choices add up to and a seed scatters."""
    rng = np.random.default_rng(0)
    choices = np.array(list(np.ndindex(layout.space.options)))
    worth = choices @ np.arange(1, 1 + choices.shape[1])
    columns = {layout.architecture: [layout.space.write(tuple(map(int, one))) for one in choices]}
    for epochs, column in layout.accuracy.items():
        columns[column] = np.round(40 + 50 * worth / worth.max() + epochs / 100 + rng.normal(size=len(worth)), 3)
    columns |= {column: worth + 1.0 for column, _ in layout.costs.values()}
    path = folder / "table.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table with two schedules: 12 and 200 epochs."""
    return invented(LAYOUTS[0], tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def macro(tmp_path_factory):
    """A table with one schedule of 50 epochs."""
    return invented(LAYOUTS[1], tmp_path_factory.mktemp("macro"))


@pytest.fixture(scope="module")
def searched(thriftnas, table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched") / "run"
    answer = thriftnas(*SEARCH, "--table", table, "--out", folder)
    assert answer.code == 0, answer.err
    return folder, answer


@pytest.fixture
def folder(searched, tmp_path):
    return Path(shutil.copytree(searched[0], tmp_path / "searched"))


def test_it_ends_with_a_genotype_its_accuracies_and_a_report(searched, table):
    folder, answer = searched
    best = json.loads((folder / "best.json").read_text())
    assert best["genotype"] == json.loads((folder / "genotype.json").read_text())
    known = read_table(table).accuracies[tuple(best["genotype"]["choices"])]
    assert best["accuracies"] == {"c0r0s0e12": known[12], "c0r0s0e200": known[200]}
    assert best["accuracy"] == known[200]
    assert not (folder / "model.pt").exists()
    assert {path.name for path in folder.iterdir()} >= {"report.html", "search.csv", "finalists.csv", "lineage.json"}
    assert "accuracy in the table after retraining at c0r0s0e200" in " ".join(answer.out.split())
    assert "Model: " not in answer.out
    assert "idle" not in answer.out  # nobody has worked
    assert "accuracy in the table" in (folder / "report.html").read_text()


def test_the_winner_is_the_best_of_the_retrained_and_the_budget_is_kept(searched):
    run = Run.open(searched[0])
    frame = run.frame
    last = frame[frame["role"] == "retrain"]
    assert set(last["stop"]) == {200}
    assert json.loads((run.folder / "best.json").read_text())["accuracy"] == last["accuracy"].max()
    assert frame["epochs_paid"].sum() <= 1500
    assert frame["macs"].notna().all()


def test_the_identity_names_the_table_by_its_content_and_no_setup(searched, table):
    run = Run.open(searched[0])
    assert set(run.identity) == {"strategy", "data", "group"}
    assert run.identity["data"] == read_table(table).fingerprint
    assert len(run.identity["data"]) == 64
    strategy = run.identity["strategy"]
    assert (strategy["name"], strategy["space"], strategy["method"]) == (
        "econas-table", "nas-bench-201", "hierarchical",
    )  # fmt: skip
    assert (strategy["parameters"]["setting"], strategy["parameters"]["final"]) == ("c0r0s0e12", "c0r0s0e200")
    assert json.loads(json.dumps(run.experiment.identity())) == run.identity  # tuples are lists there
    assert run.value("source") == {"kind": "table", "table": str(table), "latency": None}


def test_all_commands_on_runs_know_it(thriftnas, folder):
    (folder / "report.html").unlink()
    for words in (["status"], ["report"], ["digest"], ["export"]):
        answer = thriftnas("run", *words, folder, "--json")
        assert answer.code == 0, answer.err
    assert (folder / "report.html").exists()
    assert json.loads(thriftnas("run", "report", folder, "--json").out)["search_accuracy"] > 0
    assert (folder / "export" / "front.html").exists()


def test_stopped_it_goes_on_from_its_journal_to_the_same_digest(thriftnas, table, tmp_path, digest):
    """Without a surrogate, which takes most of the time: with one it is continued in the tests of every kind of run."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    words = [*SEARCH, "--surrogate", "none", "--table", table]
    assert thriftnas(*words, "--out", whole).code == 0
    answer = thriftnas(*words, "--out", run, "--time", "0.0001s")
    assert answer.code == 0, answer.err
    assert "the same command continues" in answer.out
    assert digest(run) != digest(whole)
    assert resume(run).finished
    assert digest(run) == digest(whole)
    assert thriftnas("run", "resume", run).code == 0
    assert digest(run) == digest(whole)


def test_another_table_is_another_run(thriftnas, folder, table, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text(table.read_text().replace("\n", "\n", 1) + "\n")
    answer = thriftnas(*SEARCH, "--table", other, "--out", folder)
    assert answer.code == 2
    assert "holds another run: data" in answer.err


@pytest.mark.parametrize("method", ["random", "evolution"])
def test_what_it_is_compared_with_runs_on_the_same_table(thriftnas, table, tmp_path, method):
    answer = thriftnas(*SEARCH, "--table", table, "--method", method, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    frame = Run.open(tmp_path / "run").frame
    assert set(frame["role"]) == {"child", "retrain"}
    assert json.loads(answer.out)["accuracy"] == frame[frame["role"] == "retrain"]["accuracy"].max()


def test_where_one_schedule_is_all_there_is_nothing_is_retrained(thriftnas, macro, tmp_path):
    answer = thriftnas(*SEARCH, "--table", macro, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    frame = Run.open(tmp_path / "run").frame
    assert set(frame["role"]) == {"child"}
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert best["accuracies"] == {"c0r0s0e50": frame["accuracy"].max()}
    assert "accuracy in the table after 50 epochs at c0r0s0e50." in " ".join(answer.out.split())


def test_a_limit_on_what_the_table_lists_is_kept_and_no_other_is_known(thriftnas, macro, tmp_path):
    bound = float(np.quantile(read_table(macro).costs.values["macs"], 0.2))
    asked = ["--surrogate", "none", "--limit", f"macs<={bound}"]
    answer = thriftnas(*SEARCH, "--table", macro, *asked, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    assert Run.open(tmp_path / "run").frame["macs"].max() <= bound
    answer = thriftnas(*SEARCH, "--table", macro, "--limit", "latency<=1", "--out", tmp_path / "other")
    assert (answer.code, (tmp_path / "other").exists()) == (2, False)
    assert "nobody measures 'latency', expected one of macs, params" in answer.err


def test_the_estimate_leaves_nothing_behind(thriftnas, table, tmp_path):
    answer = thriftnas(*SEARCH, "--table", table, "--out", tmp_path / "run", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["search_epochs"] + found["retraining_epochs"] == 1500
    assert not (tmp_path / "run").exists()


WRONG = {
    "the table knows trainings at c0r0s0e12, c0r0s0e200, got c0r0s0e60": ["--setting", "c0r0s0e60"],
    "the table knows trainings at c0r0s0e12, c0r0s0e200, got c0r0s0e600": ["--reference", "c0r0s0e600"],
    "the table knows trainings at c0r0s0e12, c0r0s0e200, got c1r0s0e12": ["--setting", "c1r0s0e12"],
    "the table knows no training in stages": ["--stages", "2"],
    "a table trains nothing: leave out --data or --table": ["--data", "digits"],
    "a table trains nothing: leave out --val or --table": ["--val", "10"],
    "a table trains nothing: leave out --audit or --table": ["--audit", "warn"],
    "parents needs one number per stage": ["--parents", "6,5,5"],
    "expected --method": ["--method", "magic"],
    "Optuna has no sampler 'Magic'": ["--method", "optuna:Magic"],
    "pays no training at c0r0s0e200": ["--budget", "300"],
    "the seed must not be negative": ["--seed", "-1"],
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_one_line_and_leaves_nothing(thriftnas, table, tmp_path, message):
    answer = thriftnas(*SEARCH, "--table", table, *WRONG[message], "--out", tmp_path / "run")
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.startswith("error: ")
    assert len(answer.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_table_is_one_line(thriftnas, tmp_path):
    answer = thriftnas(*SEARCH, "--table", tmp_path / "none.csv", "--out", tmp_path / "run")
    assert (answer.code, len(answer.err.strip().splitlines())) == (2, 1)
    assert "none.csv" in answer.err
    assert not (tmp_path / "run").exists()
