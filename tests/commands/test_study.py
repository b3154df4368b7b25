"""`zoo study`: what it writes, how it continues, grows and stops."""

import csv
import json
import shlex
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.experiments import Run
from zoo.population.journal import Journal
from zoo.population.trial import Trial
from zoo.reliability.advice import use
from zoo.reliability.findings import find
from zoo.reliability.looks import Decision

pytestmark = pytest.mark.usefixtures("without_drawing")

FEW = ["--models", "2", "--setting", "c4r4s0e1", "--repeats", "1"]  # four trainings
COLUMNS = [
    "setting", "signal", "acceleration", "spearman", "spearman_low", "spearman_high", "bound", "corrected",
    "beyond_macs", "tolerant", "kendall", "top_k", "holds_best", "regret", "seconds",
]  # fmt: skip
SETTINGS = ["c0r0s0e1", "c0r4s0e1", "c4r0s0e1", "c4r4s0e1"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def numbers(folder: Path) -> tuple[int, int]:
    """Trials and records of a run."""
    journal = Journal.open(folder, readonly=True)
    found = len(journal.trials()), len(journal.records())
    journal.close()
    return found


def test_a_study_writes_its_tables_and_its_page(finished):
    whole = rows(finished / "study.csv")
    assert set(COLUMNS) <= set(whole[0])
    assert [row["signal"] for row in whole[-3:]] == ["macs", "params", "placebo"]
    table = whole[:-3]
    assert {row["setting"] for row in whole[-3:]} == {""}
    assert len({(row["setting"], row["signal"]) for row in table}) == len(table) >= 4 * 4
    assert {"accuracy", "balanced_accuracy", "loss", "train_loss"} <= {row["signal"] for row in table}
    assert sorted({row["setting"] for row in table}) == SETTINGS
    speeds = [float(row["acceleration"]) for row in table]
    assert speeds == sorted(speeds)
    assert speeds[0] == 1  # the reference is in the grid
    assert all(float(row["seconds"]) > 0 and row["networks"] == "3" for row in table)
    assert [row["setting"] for row in json.loads((finished / "study.json").read_text())] == [
        row["setting"] for row in whole
    ]
    differences = rows(finished / "differences.csv")
    assert [(row["setting"], row["signal"]) for row in differences] == [
        (row["setting"], row["signal"]) for row in table if row["signal"] != "accuracy"
    ]
    assert {row["factor"] for row in rows(finished / "entropy.csv")} == {"c", "r"}
    assert "<html" in (finished / "report.html").read_text()
    assert {"setting", "signal", "sentence", "ceiling", "target"} <= set(
        json.loads((finished / "recommendation.json").read_text())
    )


def test_a_study_keeps_no_weights_and_no_half_written_files(finished):
    assert {path.name for path in finished.iterdir()} <= {
        ".lock", "journal.sqlite", "journal.sqlite-shm", "journal.sqlite-wal", "study.csv", "study.json",
        "differences.csv", "differences.json", "entropy.csv", "entropy.json", "recommendation.json", "report.html",
    }  # fmt: skip


def test_a_finished_study_trains_nothing_again(thriftnas, study, finished, digest, no_training):
    before = digest(finished)
    answer = thriftnas(*study, "--out", finished, "--json")
    assert (answer.code, answer.err.strip()) == (0, "")
    assert json.loads(answer.out) == json.loads((finished / "recommendation.json").read_text())
    assert digest(finished) == before


def test_a_table_is_printed_with_the_answer(thriftnas, study, finished):
    answer = thriftnas(*study, "--out", finished)
    assert all(setting in answer.out for setting in SETTINGS)
    assert "Ceiling" in answer.out
    assert "report.html" in answer.out


def test_more_models_extend_a_study(thriftnas, study, finished, tmp_path, digest):
    first = Journal.open(finished, readonly=True).trials()
    assert thriftnas(*study, "--models", 4, "--out", finished).code == 0
    assert Journal.open(finished, readonly=True).trials()[:18] == first
    assert thriftnas(*study, "--models", 4, "--out", tmp_path / "fresh").code == 0
    assert digest(finished) == digest(tmp_path / "fresh")
    assert rows(finished / "study.csv")[0]["networks"] == "4"


def test_a_study_in_groups_is_extended_although_its_last_group_was_not_full(thriftnas, study, tmp_path):
    small = ["--group", 2, "--setting", "c4r4s0e1", "--repeats", 1, "--out", tmp_path / "run"]
    for models in (1, 4):
        answer = thriftnas(*study, *small, "--models", models)
        assert (answer.code, answer.err) == (0, "")
    records = Journal.open(tmp_path / "run", readonly=True).records()
    assert [record.batch for record in records.values()] == [0, 1, 2, 2, 4, 4, 6, 7]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--models", "2"], "3 models"),
        (["--seed", "1"], "seed is 0 there, got 1"),
        (["--batch", "30"], "batch is 20 there, got 30"),
        (["--train", "70"], "data is"),
        (["--channels", "5"], "channels is 4 there, got 5"),
        (["--setting", "c4r4s0e1"], "settings is"),
        (["--repeats", "1"], "has 2 repeats; it can grow, not shrink to 1"),
        (["--scores", "synflow"], 'scores is null there, got ["synflow"]'),
        (["--threads", "2"], "threads is 1 there, got 2"),
        (["--dtype", "float64"], "dtype is"),
        (["--group", "2"], "group is 1 there, got 2"),
        (["--space", "darts"], "space is"),
        (["--no-cutout"], "cutout is"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_another_study_in_the_same_folder_is_refused(thriftnas, study, finished, tree, change, named):
    before = tree(finished)
    answer = thriftnas(*study, *change, "--out", finished)
    assert (answer.code, answer.out.strip(), answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith(f"error: {finished} ")
    assert named in answer.err
    assert tree(finished) == before


def test_a_refused_command_is_not_what_resume_repeats(thriftnas, study, finished):
    assert thriftnas(*study, "--models", 2, "--out", finished).code == 2
    assert thriftnas("run", "resume", finished).code == 0


def test_another_target_is_not_another_run(thriftnas, study, finished, no_training):
    assert thriftnas(*study, "--target", 0.5, "--out", finished).code == 0
    assert json.loads((finished / "recommendation.json").read_text())["target"] == 0.5
    assert thriftnas("run", "report", finished).code == 0  # the run remembers it
    assert json.loads((finished / "recommendation.json").read_text())["target"] == 0.5


def test_a_time_limit_stops_cleanly_and_the_same_command_continues(thriftnas, study, tmp_path, digest):
    run = tmp_path / "run"
    answer = thriftnas(*study, *FEW, "--time", "0.01s", "--out", run)
    assert (answer.code, answer.err) == (0, "")
    assert "Stopped after 0.01s" in answer.out
    trials, records = numbers(run)
    assert records == trials < 4  # what was running came back
    for folder in (run, tmp_path / "whole"):
        assert thriftnas(*study, *FEW, "--out", folder).code == 0
    assert digest(run) == digest(tmp_path / "whole")


def test_a_stopped_study_says_so_in_json(thriftnas, study, tmp_path):
    answer = thriftnas(*study, "--time", "0.01s", "--json", "--out", tmp_path / "run")
    assert answer.code == 0
    state = json.loads(answer.out)
    assert state["finished"] is False
    assert state["pending"] == 0


def test_a_dry_run_says_what_it_would_cost_and_leaves_nothing(thriftnas, study, tmp_path, tree):
    answer = thriftnas(*study, "--dry-run", "--out", tmp_path / "run")
    assert (answer.code, answer.err) == (0, "")
    said = dict(line.split(maxsplit=1) for line in answer.out.strip().splitlines())
    assert list(said) == ["data", "networks", "trainings", "epochs", "hours", "disk"]
    assert said["networks"].startswith("3: 2 × c0r0s0e1 and 4 settings")
    assert (said["trainings"], said["epochs"]) == ("18", "18")
    assert float(said["hours"].split()[0]) > 0
    assert tree(tmp_path) == {}


def test_a_dry_run_in_json(thriftnas, study):
    answer = thriftnas(*study, "--dry-run", "--json")
    assert (answer.code, answer.err.strip()) == (0, "")
    assert list(json.loads(answer.out)) == ["networks", "trainings", "epochs", "hours", "disk_mb"]


def test_settings_that_coincide_are_merged_with_a_notice(thriftnas, study):
    # Of 4 channels, levels 3 and 4 are both 1.
    answer = thriftnas(*study, "--setting", "c{3,4}r0s0e1", "--dry-run")
    assert "c4r0s0e1 is the same as c3r0s0e1 here" in answer.out
    assert "and 1 settings each" in answer.out


def test_a_study_of_a_folder_of_images(thriftnas, study, photos):
    small = ["--train", 40, "--val", 20, "--models", 1, "--resolution", 8, "--setting", "c4r0s1e1"]
    assert thriftnas(*study, *small, "--data", f"imagefolder:{photos}", "--out", "run").code == 0
    journal = Journal.open(Path("run"), readonly=True)
    assert journal.get("data")["classes"] == ["cat", "dog"]
    assert {record.metrics["images"] for record in journal.records().values()} == {40, 20}


def test_what_a_killed_start_left_is_swept_away(thriftnas, study, tmp_path, digest):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / ".new").write_bytes(b"half a journal")
    for folder in (run, tmp_path / "whole"):
        assert thriftnas(*study, *FEW, "--out", folder).code == 0
    assert digest(run) == digest(tmp_path / "whole")
    assert not (run / ".new").exists()


# ---------------------------------------------------------------- scores, repeats, metric


def trials(folder: Path) -> list[Trial]:
    with closing(Journal.open(folder, readonly=True)) as journal:
        return journal.trials()


def test_networks_are_scored_before_they_are_trained(thriftnas, study, tmp_path):
    small = ["--models", 1, "--setting", "c4r4s0e1", "--repeats", 1, "--scores", "synflow,naswot", "--out", "run"]
    assert thriftnas(*study, *small).code == 0
    asked = [(trial.role, trial.measure, trial.stop) for trial in trials(Path("run"))]
    assert asked == [
        ("score", "synflow", 0), ("score", "naswot", 0), ("reference", "training", 1), ("proxy", "training", 1),
    ]  # fmt: skip
    assert {"synflow", "naswot", "macs", "params"} <= {row["signal"] for row in rows(Path("run/study.csv"))}
    assert thriftnas("run", "resume", "run").code == 0
    assert len(trials(Path("run"))) == 4


def test_a_network_without_relu_cannot_have_naswot(thriftnas, study, tmp_path, monkeypatch):
    import torch

    import zoo.networks.network

    monkeypatch.setattr(zoo.networks.network, "build_any", lambda *_, **__: torch.nn.Linear(1, 1))
    answer = thriftnas(*study, "--scores", "synflow,naswot", "--out", "run")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "error: scores: naswot needs nn.ReLU, and networks of econas-zoo have none; leave it out\n"
    assert not Path("run").exists()


def test_more_repeats_extend_a_study(thriftnas, study, finished, tree):
    first = trials(finished)
    assert thriftnas(*study, "--repeats", 3, "--out", finished).code == 0
    later = trials(finished)[len(first) :]
    assert trials(finished)[: len(first)] == first
    assert [trial.role for trial in later] == ["reference"] * 3
    assert [trial.genotype for trial in later] == [trial.genotype for trial in first if trial.role == "reference"][::2]
    assert thriftnas(*study, "--repeats", 3, "--models", 4, "--out", finished).code == 0
    assert len(trials(finished)) == len(first) + 3 + 3 + 4
    before = tree(finished)
    assert "has 3 repeats; it can grow, not shrink to 2" in thriftnas(*study, "--models", 4, "--out", finished).err
    assert tree(finished) == before
    assert thriftnas("run", "resume", finished).code == 0
    assert len(trials(finished)) == len(first) + 3 + 3 + 4


def test_a_killed_start_of_a_larger_study_does_not_lose_its_history(thriftnas, study, finished, monkeypatch):
    put = Journal.set

    def killed(journal, name, value):
        put(journal, name, value)
        if name == "repeated":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "set", killed)
        assert thriftnas(*study, "--repeats", 3, "--models", 4, "--out", finished).code == 130
    assert thriftnas(*study, "--repeats", 2, "--models", 4, "--out", finished).code == 0
    with closing(Journal.open(finished, readonly=True)) as journal:
        assert (journal.get("growth"), journal.get("repeated")) == ([3, 4], [2, 2])


@pytest.fixture
def of_version_1(finished: Path) -> Path:
    """The finished study as version 1 wrote it: its repeats stood in its identity. A copy of today's lies beside it."""
    shutil.copytree(finished, finished.with_name("fresh"))
    with closing(Journal.open(finished)) as journal:
        identity = journal.identity
        identity["strategy"] |= {"version": 1, "repeats": 2}
        journal.set("identity", identity)
        journal.set("options", {"models": 3, "target": 0.8})
        journal._db.execute("DELETE FROM run WHERE name = 'repeated'")
    return finished


def test_a_study_of_version_1_goes_on(thriftnas, study, of_version_1, tmp_path, digest):
    assert Run.open(of_version_1).experiment.repeats == 2
    assert thriftnas("run", "resume", of_version_1).code == 0
    assert thriftnas(*study, "--models", 4, "--out", of_version_1).code == 0
    assert thriftnas(*study, "--models", 4, "--out", tmp_path / "fresh").code == 0
    assert digest(of_version_1) == digest(tmp_path / "fresh")
    assert thriftnas(*study, "--models", 4, "--repeats", 3, "--out", of_version_1).code == 0
    assert len(trials(of_version_1)) == 4 * 7
    assert Run.open(of_version_1).identity["strategy"]["version"] == 1


def test_another_metric_of_the_reference_is_not_another_run(thriftnas, study, finished, no_training):
    assert thriftnas(*study, "--metric", "balanced_accuracy", "--out", finished).code == 0
    assert Run.open(finished).experiment.metric == "balanced_accuracy"
    assert json.loads((finished / "recommendation.json").read_text())["metric"] == "balanced_accuracy"
    assert thriftnas("run", "report", finished, "--target", 0.3).code == 0
    assert json.loads((finished / "recommendation.json").read_text())["metric"] == "balanced_accuracy"


def test_the_command_that_uses_an_answer_searches_with_the_same_training(thriftnas, finished, tmp_path):
    run = Run.open(finished)
    with run.journal() as journal:
        found = find(journal, run.experiment.design())
    fastest = len(found.trained) - 1
    words = shlex.split(use(replace(found, recommendation=replace(found.recommendation, index=fastest))))
    answer = thriftnas(*words[1:], "--budget", 400, "--dry-run", "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    setup = run.identity["setup"]
    skeleton = [str(setup["skeleton"][name]) for name in ("resolution", "channels", "cells")]
    assert [words[words.index(f"--{name}") + 1] for name in ("resolution", "channels", "cells")] == skeleton
    assert words[words.index("--batch") + 1] == str(setup["recipe"]["batch"])


# ---------------------------------------------------------------- until decided


def test_a_study_until_decided_says_what_it_decided(thriftnas, study, digest):
    small = ["--models", 12, "--setting", "c4r4s0e1", "--repeats", 1, "--until", "decided", "--group", 4]
    answer = thriftnas(*study, *small, "--out", "run")
    assert (answer.code, answer.err) == (0, "")
    with closing(Journal.open(Path("run"), readonly=True)) as journal:
        (data,) = journal.get("looks")
    decision = Decision.from_dict(data)
    assert (decision.networks, decision.last) == (12, True)
    assert decision.sentence.split()[:3] == ["After", "12", "networks:"]
    assert decision.sentence in " ".join(answer.out.split())
    before = digest(Path("run"))
    assert thriftnas("run", "resume", "run").code == 0
    assert digest(Path("run")) == before
    refused = thriftnas(*study, *small[:-4], "--group", 4, "--out", "run")
    assert "until is" in refused.err


def test_a_dry_run_until_decided_says_when_it_looks(thriftnas, study, tmp_path):
    answer = thriftnas(*study, "--models", 20, "--until", "decided", "--scores", "zico", "--dry-run")
    said = dict(line.split(maxsplit=1) for line in answer.out.strip().splitlines())
    assert said["networks"] == (
        "at most 20: 2 × c0r0s0e1 and 4 settings each, and 1 score, which takes seconds; "
        "looks at 12, 16 and 20, each of which may end it"
    )


def test_the_demo_is_a_study_with_small_sizes(thriftnas, tmp_path, interrupted_after):
    with interrupted_after(0):  # one of its trainings takes seconds
        answer = thriftnas("demo", "--workers", 1, "--out", tmp_path / "demo")
        assert thriftnas("run", "resume", tmp_path / "demo", "--time", "1h").code == 130
    assert answer.code == 130
    journal = Journal.open(tmp_path / "demo", readonly=True)
    (models,) = journal.get("growth")
    strategy = journal.identity["strategy"]
    assert f"{models} random networks" in answer.out  # what it announces is what it runs
    assert f"{len(strategy['settings'])} reduced settings" in answer.out
    assert (journal.get("repeated"), strategy["reference"]) == ([3], "c0r0s0e12")
    assert journal.get("command")[0] == "demo"
