"""`zoo study`: what it writes, how it continues, grows and stops."""

import csv
import json
from pathlib import Path

import pytest

from zoo.population.journal import Journal

COLUMNS = ["setting", "acceleration", "spearman", "spearman_low", "spearman_high", "tolerant", "kendall", "seconds"]
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
    table = rows(finished / "study.csv")
    assert set(COLUMNS) <= set(table[0])
    assert sorted(row["setting"] for row in table) == SETTINGS
    speeds = [float(row["acceleration"]) for row in table]
    assert speeds == sorted(speeds)
    assert speeds[0] == 1  # the reference is in the grid
    assert all(float(row["seconds"]) > 0 and row["networks"] == "3" for row in table)
    assert [row["setting"] for row in json.loads((finished / "study.json").read_text())] == [
        row["setting"] for row in table
    ]
    assert [row["proxy"] for row in rows(finished / "baselines.csv")] == ["macs", "params"]
    assert {row["factor"] for row in rows(finished / "entropy.csv")} == {"c", "r"}
    assert "<html" in (finished / "report.html").read_text()
    assert {"setting", "sentence", "ceiling", "target"} <= set(
        json.loads((finished / "recommendation.json").read_text())
    )


def test_a_study_keeps_no_weights_and_no_half_written_files(finished):
    assert {path.name for path in finished.iterdir()} <= {
        ".lock", "journal.sqlite", "journal.sqlite-shm", "journal.sqlite-wal", "study.csv", "study.json",
        "baselines.csv", "baselines.json", "entropy.csv", "entropy.json", "recommendation.json", "report.html",
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
        (["--repeats", "3"], "repeats is 2 there, got 3"),
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


def test_a_time_limit_stops_cleanly_and_the_same_command_continues(thriftnas, study, finished, tmp_path, digest):
    run = tmp_path / "run"
    answer = thriftnas(*study, "--time", "0.01s", "--out", run)
    assert (answer.code, answer.err) == (0, "")
    assert "Stopped after 0.01s" in answer.out
    trials, records = numbers(run)
    assert records == trials < 18  # what was running came back
    assert thriftnas(*study, "--out", run).code == 0
    assert digest(run) == digest(finished)


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
    assert list(said) == ["networks", "trainings", "epochs", "hours", "disk"]
    assert said["networks"].startswith("3: 2 × c0r0s0e1 and 4 settings")
    assert (said["trainings"], said["epochs"]) == ("18", "18")
    assert float(said["hours"].split()[0]) > 0
    assert tree(tmp_path) == {}


def test_a_dry_run_in_json(thriftnas, study):
    answer = thriftnas(*study, "--dry-run", "--json")
    assert (answer.code, answer.err.strip()) == (0, "")
    assert list(json.loads(answer.out)) == ["networks", "trainings", "epochs", "hours", "disk_mb"]


def test_settings_that_coincide_are_merged_with_a_notice(thriftnas, study):
    # At 16 px, levels 3 and 4 of the resolution are 8 and 4 px; of 4 channels, levels 3 and 4 are both 1.
    answer = thriftnas(*study, "--setting", "c{3,4}r0s0e1", "--dry-run")
    assert "c4r0s0e1 is the same as c3r0s0e1 here" in answer.out
    assert "and 1 settings each" in answer.out


def test_a_study_of_a_folder_of_images(thriftnas, study, photos):
    small = ["--train", 40, "--val", 20, "--models", 1, "--resolution", 8, "--setting", "c4r0s1e1"]
    assert thriftnas(*study, *small, "--data", f"imagefolder:{photos}", "--out", "run").code == 0
    journal = Journal.open(Path("run"), readonly=True)
    assert journal.get("data")["classes"] == ["cat", "dog"]
    assert {record.metrics["images"] for record in journal.records().values()} == {40, 20}


def test_what_a_killed_start_left_is_swept_away(thriftnas, study, tmp_path, digest, finished):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / ".new").write_bytes(b"half a journal")
    assert thriftnas(*study, "--out", run).code == 0
    assert digest(run) == digest(finished)
    assert not (run / ".new").exists()


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
    assert strategy["repeats"] == 2
    assert journal.get("command")[0] == "demo"
