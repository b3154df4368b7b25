"""docs/extending.md: its six packages are installed as they stand there, and its commands run as they stand there."""

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conformance.test_strategies import drive
from tests.documented import commands_of, files_of, write_files
from tests.installed import describe, run_lines
from zoo.experiments.run import Run
from zoo.population import ProxySetting
from zoo.population.table import LAYOUTS
from zoo.spaces import ECONAS_SEARCH

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
LOCAL = next(line for line in commands_of(TEXT) if line.startswith("thriftnas local"))
MORE = [
    LOCAL.replace(" --time 1s", "").replace("runs/local", "runs/again"),
    "thriftnas run digest runs/again",
    "thriftnas local --evaluations 0",
    "thriftnas zoo build --data dots",
    "thriftnas scarlet search --table nas_bench_macro_cifar10.csv.gz --minimize energie --out runs/nothing",
]
BESIDE_THE_STRATEGY = 60


def invent_table(path):
    """NAS-Bench-Macro's table with costs of its size and accuracies that nobody measured."""
    layout, rng = LAYOUTS[1], np.random.default_rng(0)
    choices = np.array(list(np.ndindex(layout.space.options)))
    worth = choices.sum(axis=1)
    columns = {
        "arch": [layout.space.write(tuple(map(int, one))) for one in choices],
        "mean_acc": np.round(60 + 2 * worth + rng.normal(size=len(worth)), 3),
        "params": 400_000 * (1 + worth),
        "flops": 8_000_000 * (1 + worth),
    }
    pd.DataFrame(columns).to_csv(path, index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extending")
    write_files(TEXT, folder)
    invent_table(folder / "nas_bench_macro_cifar10.csv.gz")
    return folder


def drawn(line):
    """What the tests look at, and one of each kind of report and export."""
    return "runs/local" in line or line.startswith(("python", "thriftnas run report"))


@pytest.fixture(scope="module")
def answers(folder):
    """By line what it gave back; of all commands of the document, and a few more."""
    packages = sorted(path.parent for path in folder.glob("*/pyproject.toml"))
    for package in packages:
        describe(package, tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"])
    lines = [line for line in commands_of(TEXT) if not line.startswith("pip install")]
    return {answer.line: answer for answer in run_lines([*lines, *MORE], packages, folder, drawn)}


def table(folder, name):
    return pd.read_csv(folder / name)


def test_every_command_of_the_document_succeeds(answers):
    failed = [answer for line, answer in answers.items() if line not in MORE[2:] and answer.code]
    assert failed == []
    assert {line.split()[2] for line in commands_of(TEXT) if line.startswith("pip")} == {
        f"./{name.partition('/')[0]}" for name in files_of(TEXT) if name.endswith("pyproject.toml")
    }


def test_the_fifth_search_is_short(folder):
    package = folder / "local" / "thriftnas_local"
    beside = [path for path in package.glob("*.py") if path.name != "strategy.py"]
    assert len(beside) == 2
    assert sum(len(path.read_text().splitlines()) for path in beside) <= BESIDE_THE_STRATEGY


def test_the_search_asks_the_same_whoever_answers_first(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder / "local"))
    strategy = import_module("thriftnas_local.strategy")

    def asked(n, workers, seed):
        batches = drive(strategy.LocalSearch(ECONAS_SEARCH, ProxySetting(0, 0, 0, 1), 23, 5), n, workers, seed)
        return [trial for batch in batches for trial in batch]

    alone = asked(1, 1, 0)
    assert [trial.index for trial in alone] == list(range(23))
    assert len({trial.parent for trial in alone}) > 2
    assert asked(1, 1, 0) == alone
    assert [asked(n, workers, 0) for n, workers in ((2, 1), (1, 3), (4, 2))] == [alone] * 3


def test_the_search_goes_on_after_a_stop_to_the_same_digest(answers):
    digest = answers["thriftnas run digest runs/local"].out
    assert digest == answers["thriftnas run digest runs/again"].out
    assert "6" in answers["thriftnas run status runs/local"].out or "Stopped after 1s" in answers[LOCAL].out


def test_the_search_has_a_report_and_models_without_writing_one(answers, folder):
    run = folder / "runs" / "local"
    trials = table(run, "trials.csv")
    assert trials["role"].tolist() == ["start"] * 4 + ["neighbour"] * 2
    assert trials["best"].tolist() == trials["accuracy"].cummax().tolist()
    best = json.loads((run / "best.json").read_text())
    assert best["trial"] == int(trials["accuracy"].idxmax())
    report = answers["thriftnas run report runs/local"].out
    assert re.search(rf"best of 6 trials: [0-9.]+ % accuracy \(trial {best['trial']},", report)
    assert "Model: runs/local/model.pt" in report
    page = (run / "report.html").read_text()
    assert "<svg" in page
    assert "neighbour" in page
    assert {"model-01.json", "model-01.pt", "models.json", "model.html"} <= {
        path.name for path in (run / "export").iterdir()
    }


def test_the_operation_is_costed_drawn_and_trained(answers, folder):
    cost = json.loads(answers["thriftnas zoo cost shuffled.json --channels 4 --cells 3 --json"].out)
    assert min(cost.values()) > 0
    drawing = (folder / "shuffled.svg").read_text()
    assert "shuffled_conv_3x3" in drawing
    assert "#d6f5e3" in drawing
    assert len(table(folder / "runs" / "shuffled", "epochs.csv")) == 1
    assert (folder / "runs" / "shuffled" / "model.pt").exists()


def test_the_data_set_is_trained_on_and_named(answers, folder):
    assert json.loads(answers["thriftnas run report runs/stripes --json"].out)["data"] == "stripes"
    about = Run.open(folder / "runs" / "stripes").value("data")
    assert (about["name"], about["classes"], about["channels"]) == ("stripes", ["across", "down", "chequered"], 1)
    assert (about["train"], about["validation"]) == (154, 38)


def test_the_objective_limits_a_search_beforehand_and_reads_a_run_afterwards(answers, folder):
    history = table(folder / "runs" / "energy", "history.csv")
    np.testing.assert_allclose(history["energy"], 4.6e-9 * history["macs"] + 640e-9 * history["params"])
    assert history["energy"].max() <= 1.5
    models = table(folder / "energy-of-stripes", "models.csv")
    assert models["energy"].notna().all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (MORE[2], "error: evaluations must be at least 1, got 0"),
        (MORE[3], "expected digits, cifar10, cifar100, svhn, fashion-mnist, stripes or imagefolder:DIR, got 'dots'"),
        (MORE[4], "nobody measures 'energie', expected one of accuracy, macs, params"),
    ],
)
def test_bad_input_is_one_line(answers, line, message):
    assert answers[line].code == 2
    assert message in answers[line].err.splitlines()[-1]


def test_a_study_ranks_by_installed_signals_and_scores(folder, answers):
    ranked = table(folder, "runs/ranks/study.csv")
    trained = ranked["setting"].notna()
    assert set(ranked["signal"][trained]) == {"accuracy", "first_loss"}
    assert "weight_norm" in set(ranked["signal"][~trained])


def test_a_search_goes_by_an_installed_signal(folder, answers):
    assert Run.open(folder / "runs" / "by-first-loss").identity["strategy"]["parameters"]["signal"] == "first_loss"


def test_an_installed_algorithm_of_pymoo_searches_and_is_run_by_hand(folder, answers):
    run = Run.open(folder / "runs" / "redraw")
    assert run.identity["strategy"]["algorithm"] == "redraw"
    history = table(folder, "runs/redraw/history.csv")
    assert len(history) == 30
    assert history["params"].max() <= 5e6
    assert answers["python search.py"].out.rstrip().endswith(")]")
