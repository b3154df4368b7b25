"""`run gc`: what it frees, what it leaves, and whom it refuses."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from zoo.experiments import Run
from zoo.experiments.folder import locked

pytestmark = pytest.mark.usefixtures("without_drawing")


def littered(run: Path) -> set[str]:
    """Weights of before, drafts of killed processes, and a journal that was not closed."""
    (run / "checkpoints" / ("0" * 64)).write_bytes(bytes(1000))
    (run / "checkpoints" / ".draft.new").write_bytes(bytes(100))
    for name in (".new", ".new-wal", ".best.json.new"):
        (run / name).write_bytes(bytes(10))
    return {path.name for path in run.rglob("*")}


def test_what_a_finished_run_needs_no_more_is_freed_and_nothing_else(thriftnas, build, built, digest, no_training):
    (weights,) = (built / "checkpoints").iterdir()
    before, whole = {path.name for path in built.rglob("*")}, digest(built)
    held = littered(built)
    said = thriftnas("run", "gc", built, "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "files would be freed" in said.out
    assert weights.name in said.out
    assert {path.name for path in built.rglob("*")} - {"journal.sqlite-wal", "journal.sqlite-shm"} == held - {
        "journal.sqlite-wal",
        "journal.sqlite-shm",
    }
    answer = thriftnas("run", "gc", built, "--json")
    assert (answer.code, answer.err) == (0, "")
    freed = json.loads(answer.out)
    assert freed["bytes"] > 1100
    sides = {"journal.sqlite-wal", "journal.sqlite-shm"}
    assert {path.name for path in built.rglob("*")} == before - {weights.name} - sides
    assert {Path(name).name for name in freed["files"]} - sides == (held - before) | {weights.name}
    assert digest(built) == whole
    assert thriftnas(*build, "--out", built).code == 0, "it is still whole"
    thriftnas("run", "gc", built)
    assert json.loads(thriftnas("run", "gc", built, "--json").out)["bytes"] == 0


def test_side_files_that_a_reader_has_left_go_with_a_checkpoint(thriftnas, finished, digest):
    whole = digest(finished)
    with closing(sqlite3.connect(f"file:{finished}/journal.sqlite?mode=ro", uri=True)) as reader:
        reader.execute("SELECT COUNT(*) FROM trials").fetchone()
    assert (finished / "journal.sqlite-shm").exists()
    assert "journal.sqlite-shm" in thriftnas("run", "gc", finished).out
    assert not list(finished.glob("journal.sqlite-*"))
    assert digest(finished) == whole


def test_weights_stay_where_the_model_is_lost(thriftnas, build, built, no_training):
    (weights,) = (built / "checkpoints").iterdir()
    littered(built)
    (built / "model.pt").write_bytes(b"damaged")
    assert thriftnas("run", "gc", built).code == 0
    assert list((built / "checkpoints").iterdir()) == [weights]
    assert thriftnas(*build, "--out", built).code == 0
    assert Run(built).model()


def test_a_run_that_goes_on_or_has_not_finished_is_refused(thriftnas, build, built, tmp_path):
    littered(built)
    held = {path.name for path in built.rglob("*")}
    with locked(built):
        answer = thriftnas("run", "gc", built)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "another process is running in" in answer.err
    assert {path.name for path in built.rglob("*")} >= held
    assert thriftnas(*build, "--time", "0.01s", "--out", tmp_path / "run").code == 0
    answer = thriftnas("run", "gc", tmp_path / "run")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "has not finished" in answer.err
    assert thriftnas("run", "gc", tmp_path).code == 2
