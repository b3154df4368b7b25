"""The run on a GPU: tried dry on the CPU, all of it; a group that dies, hangs or raises costs the others nothing."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu
from benchmarks._gpu import bundle
from benchmarks._gpu import dry as dry_process
from benchmarks._gpu.images import image_set
from benchmarks._gpu.lines import judged, main, within
from benchmarks._gpu.place import Place
from benchmarks.gpu import GROUPS, ORDER, Group, Numbers, Runner, read_lines
from tests.benchmarks.conftest import Benchmark

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def without_ray_and_pymoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that makes them missing in every process that has it on its path."""
    folder = tmp_path_factory.mktemp("missing")
    (folder / "sitecustomize.py").write_text('import sys\nsys.modules["ray"] = sys.modules["pymoo"] = None\n')
    return folder


@pytest.fixture(scope="module")
def dry(without_ray_and_pymoo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """All groups once, dry, without ray and pymoo: the result and the file it is in."""
    out = tmp_path_factory.mktemp("dry") / "gpu.json"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(without_ray_and_pymoo))
        patched.setenv("OMP_NUM_THREADS", "1")
        options = argparse.Namespace(budget=3000.0, dry=True, data=None, groups=list(ORDER), json=out)
        return gpu.run(options), out


def test_a_dry_run_is_green_without_ray_and_pymoo(dry: tuple[dict[str, Any], Path]) -> None:
    result, _ = dry
    assert [row for row in result["rows"] if not row["ok"]] == []
    assert not result["failed"]
    assert list(dict.fromkeys(row["group"] for row in result["rows"])) == list(ORDER)
    assert (result["checks"], result["skipped_groups"]) == (len(result["rows"]), 0)
    assert result["checks"] > 50


def test_what_a_dry_run_cannot_do_it_says(dry: tuple[dict[str, Any], Path]) -> None:
    notes = {row["step"]: row["numbers"]["note"] for row in dry[0]["rows"] if "note" in row["numbers"]}
    assert notes["eager steps never wait"] == notes["with a tenth of the memory"] == "needs CUDA"
    assert "a CUDA graph needs a CUDA device" in notes["program, captured"]
    assert len(notes) < 10


def test_a_dry_run_compares_and_measures(dry: tuple[dict[str, Any], Path]) -> None:
    found = {row["step"]: row["numbers"] for row in dry[0]["rows"]}
    assert 0 < found["program, eager"]["weights"] < 1e-9
    assert found["a step of 28 networks, bfloat16"]["ms_replayed"] > 0
    assert len(found["a replay of one network, bfloat16"]["top"]) == 25
    assert found["steps of milenas1"]["ms_per_step"] > 0
    assert found["float64 against the CPU"]["equal_predictions"] == 1
    assert found["8 jobs in 2 stages, bfloat16"]["mb_of_weights"] > 0
    assert found["versions"]["versions"]["torch"]


def test_the_json_and_the_lines_hold_every_check(dry: tuple[dict[str, Any], Path]) -> None:
    result, out = dry
    written = json.loads(out.read_text())
    assert written == json.loads(json.dumps(result))
    assert all(row.keys() == {"group", "step", "ok", "seconds", "numbers"} for row in written["rows"])
    lines = read_lines(out.with_suffix(".jsonl"))
    assert [(line["group"], line["step"]) for line in lines] == [(row["group"], row["step"]) for row in written["rows"]]
    assert all(line.keys() - {"numbers", "traceback"} == {"group", "step", "ok", "seconds"} for line in lines)


def test_the_parent_imports_no_torch() -> None:
    code = "import sys, benchmarks.__main__, benchmarks.gpu\nprint({'torch', 'ray', 'pymoo'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "set()"


def test_every_group_is_there_once_and_fits_into_the_budget() -> None:
    assert sorted(ORDER) == [group.number for group in GROUPS]
    assert sum(group.seconds for group in GROUPS) <= 400
    assert all((ROOT / f"{group.module.replace('.', '/')}.py").is_file() for group in GROUPS)


# ---------------------------------------------------------------- groups that misbehave

LINE = """
import json, os, sys, time
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
def say(step, ok=True):
    with open(options["--lines"], "a") as file:
        line = {"group": int(options["--group"]), "step": step, "ok": ok, "seconds": 0.1, "numbers": {"a": 1}}
        file.write(json.dumps(line) + "\\n")
"""
FAKES = {
    "fine": "say('first')",
    "wrong": "say('first', False)\nsys.exit(1)",
    "crashing": "say('first')\nprint('about to crash', flush=True)\nos.abort()",
    "hanging": "say('first')\nprint('about to hang', flush=True)\ntime.sleep(600)",
    "raising": "raise RuntimeError('no module of this machine')",
    "silent": "",
    "torn": "open(options['--lines'], 'a').write('{\"group\": 0, \"st')\nos._exit(3)",
}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner that finds the fake groups."""
    for name, text in FAKES.items():
        (tmp_path / f"fake_{name}.py").write_text(LINE + text + "\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Runner(lines=tmp_path / "lines.jsonl", budget=60.0)


def fake(name: str, number: int = 0, seconds: float = 20.0) -> Group:
    return Group(number, f"fake_{name}", seconds, name)


def test_a_group_that_dies_is_recorded_and_the_others_run(runner: Runner) -> None:
    for number, name in enumerate(("crashing", "raising", "silent", "fine")):
        runner.run(fake(name, number))
    found = [(row["group"], row["step"], row["ok"]) for row in runner.rows]
    assert found == [
        (0, "first", True),
        (0, "process", False),
        (1, "process", False),
        (2, "process", False),
        (3, "first", True),
    ]
    crash, error, silence = (row["numbers"] for row in runner.rows if row["step"] == "process")
    assert "ended with code -6" in crash["wrong"]
    assert "about to crash" in crash["said"]
    assert "no module of this machine" in error["said"]
    assert "ended with code 0" in silence["wrong"]
    assert runner.result()["failed"]
    assert len(read_lines(runner.lines)) == 5


def test_a_group_that_hangs_is_killed_at_its_limit(runner: Runner) -> None:
    runner.budget = 5.0
    runner.run(fake("hanging", 0, seconds=8.0))
    assert [(row["step"], row["ok"]) for row in runner.rows] == [("first", True), ("process", False)]
    assert "did not end within" in runner.rows[1]["numbers"]["wrong"]
    assert "about to hang" in runner.rows[1]["numbers"]["said"]


def test_a_dry_run_is_one_process_and_a_group_that_cannot_be_imported_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("raise ImportError('of a stranger')")
    (tmp_path / "fine.py").write_text("CHECKS = [('first', lambda place: {'device': place.device})]")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(dry_process, "GROUPS", [Group(0, "broken", 1.0, ""), Group(1, "fine", 1.0, "")])
    lines = tmp_path / "lines"
    assert dry_process.every(["--lines", str(lines), "--dry", "--groups", "0", "1"]) == 1
    assert [(line["group"], line["step"], line["ok"]) for line in read_lines(lines)] == [
        (0, "imports", False),
        (1, "first", True),
    ]


def test_a_dry_process_that_dies_is_recorded_at_the_group_that_was_next(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = Runner._start
    monkeypatch.setattr(Runner, "_start", lambda self, groups, *rest: started(self, groups[:1], *rest))
    runner.dry = True
    runner.run(fake("crashing", 0), fake("fine", 1))
    assert [(row["group"], row["step"], row["ok"]) for row in runner.rows] == [
        (0, "first", True),
        (1, "process", False),
    ]
    assert "ended with code -6" in runner.rows[1]["numbers"]["wrong"]


def test_half_a_line_is_no_line(runner: Runner) -> None:
    runner.run(fake("torn"))
    assert [row["step"] for row in runner.rows] == ["process"]


def test_what_no_longer_fits_is_skipped_and_is_no_failure(runner: Runner) -> None:
    runner.run(fake("fine", 0))
    runner.run(fake("fine", 1, seconds=1000.0))
    assert [(row["group"], row["step"], row["ok"]) for row in runner.rows] == [(0, "first", True), (1, "skipped", None)]
    assert "1000 s" in runner.rows[1]["numbers"]["note"]
    result = runner.result()
    assert (result["failed"], result["checks"], result["skipped_groups"]) == (False, 1, 1)
    assert [line["step"] for line in read_lines(runner.lines)] == ["first", "skipped"]


def test_a_check_that_is_not_ok_fails_the_run(runner: Runner) -> None:
    runner.run(fake("wrong"))
    assert [(row["step"], row["ok"]) for row in runner.rows] == [("first", False)]
    assert runner.result()["failed"]


def test_mistakes_are_found_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="budget"):
        gpu.run(argparse.Namespace(budget=0.0, dry=True, data=None, groups=[0]))
    with pytest.raises(ValueError, match="does not exist"):
        gpu.run(argparse.Namespace(budget=1.0, dry=True, data=tmp_path / "no", groups=[0]))


# ---------------------------------------------------------------- checks


def lines_of(tmp_path: Path, *checks: Any) -> list[dict[str, Any]]:
    main(checks, ["--lines", str(tmp_path / "lines"), "--group", "4", "--dry"])
    return read_lines(tmp_path / "lines")


def failing(_: Place) -> dict[str, Any]:
    raise RuntimeError("out of order")


def test_an_error_ends_its_check_and_no_other(tmp_path: Path) -> None:
    found = lines_of(tmp_path, ("a", failing), ("b", lambda place: {"device": place.device, "rate": float("nan")}))
    assert [(line["step"], line["ok"], line["group"]) for line in found] == [("a", False, 4), ("b", True, 4)]
    assert "RuntimeError: out of order" in found[0]["traceback"]
    assert found[1]["numbers"] == {"device": "cpu", "rate": "nan"}


def test_numbers_above_their_limit_are_not_ok() -> None:
    assert judged({"a": 1.0}, within({"a": 1.0}, 2.0)) == {"a": 1.0}
    assert judged({}, within({"a": 3.0, "b": float("nan")}, 2.0)) == {"wrong": "a is 3, above 2; b is nan, above 2"}


def test_without_a_gpu_a_group_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([("a", failing)], ["--lines", str(tmp_path / "lines")]) == 1
    (line,) = read_lines(tmp_path / "lines")
    assert (line["step"], line["ok"]) == ("device", False)
    assert "--dry" in line["numbers"]["wrong"]


def test_numbers_are_one_line_in_a_table() -> None:
    assert str(Numbers({"a": 1.23456, "b": "c", "d": [1, 2]})) == "a 1.235, b c"
    assert str(Numbers({"traceback": "Traceback\n  File\nValueError: no\n"})) == "ValueError: no"
    assert len(str(Numbers({"a": "x" * 500}))) <= gpu.CELL


def test_the_benchmark_has_its_options(benchmark: Benchmark) -> None:
    with pytest.raises(ValueError, match="positive"):
        benchmark("gpu", "--dry --budget -1")


# ---------------------------------------------------------------- the bundle


def test_a_bundle_of_images_is_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", "digits", "--train", "40", "--val", "20", "--no-wheels", "--out", str(tmp_path / "b")]
    assert bundle.main(options) == 0
    assert "MiB" in capsys.readouterr().out
    for data in (tmp_path / "b", tmp_path / "b" / bundle.FILE):
        held = image_set(Place("cpu", True, data), 50, 5)
        assert held.train.images.shape == (50, 1, 32, 32)
        assert (held.train.images[:10] == held.train.images[40:50]).all()  # repeated
        assert (held.classes, len(held.validation)) == (tuple("0123456789"), 5)


def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(bundle.LIMIT * 2**20)
    assert bundle.main(["--no-wheels", "--out", str(tmp_path)]) == 1
    assert "too large" in capsys.readouterr().err


def test_images_that_are_not_there_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle.main(["--data", "imagefolder:nowhere", "--no-wheels", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_an_index_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIP_NO_INDEX", "1")
        patched.setenv("PIP_FIND_LINKS", str(tmp_path))
        patched.setenv("PIP_CONFIG_FILE", os.devnull)
        assert not bundle.download(tmp_path / "wheels", "3.12")
    said = capsys.readouterr().err
    assert said.startswith("no wheels: pymoo could not be downloaded")
    assert said.count("\n") == 1


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    with pytest.raises(ValueError, match="has no train_images"):
        image_set(Place("cpu", True, tmp_path / "other.npz"), 4, 2)
