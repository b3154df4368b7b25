"""Execution: run folders, their lock, what a journal says about its run, deadlines, and files written whole."""

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from rich.console import Console

from zoo import files
from zoo.experiments import Bar, Experiment, HeldSource, Listener, Report, Resources, execute, execution, machine
from zoo.experiments import resources as places
from zoo.experiments.folder import check_folder, locked
from zoo.experiments.resources import usable_cores
from zoo.files import write_json, write_text
from zoo.population import ProxySetting, Record, Trial
from zoo.population.executor import SerialExecutor
from zoo.population.journal import Journal
from zoo.population.manager import Manager
from zoo.population.strategy import FixedList
from zoo.spaces.literature import DARTS_V1

HOLD = """
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from zoo.population.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another_process_holds(folder: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------- the folder and its lock


def test_a_second_process_is_refused_in_one_line_until_the_first_has_gone(tmp_path):
    with another_process_holds(tmp_path / "run") as process:
        with pytest.raises(ValueError, match="another process is running in") as caught, locked(tmp_path / "run"):
            pass
        assert "\n" not in str(caught.value)
        process.kill()  # however it ends
        process.wait()
        with locked(tmp_path / "run"):
            pass


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "run"):
        raise KeyError
    with locked(tmp_path / "run"):
        pass


def test_a_folder_with_other_content_is_neither_locked_nor_changed(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match=r"holds 'mine\.txt' and no run"), locked(tmp_path):
        pass
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("name", ["new", "a/b/c", "empty", "begun", "run"])
def test_a_run_folder_or_one_that_can_become_one_is_accepted_and_not_touched(tmp_path, name):
    for folder in ("empty", "begun"):
        (tmp_path / folder).mkdir()
    (tmp_path / "begun" / ".lock").touch()
    (tmp_path / "begun" / ".new-wal").touch()
    Journal.create(tmp_path / "run", {}).close()
    (tmp_path / "run" / "notes.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    check_folder(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_relative_folders_are_checked_where_we_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_folder(Path("new/run"))
    check_folder(Path("."))
    Path("file").touch()
    with pytest.raises(ValueError, match="file is a file, expected a folder"):
        check_folder(Path("file/run"))


# ---------------------------------------------------------------- an experiment

SETTING = ProxySetting.parse("c0r0s0e1")
TRIALS = [Trial(index=i, genotype=DARTS_V1, setting=SETTING, start=0, stop=1) for i in range(9)]


def measure(jobs):
    return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for job in jobs]


@dataclass(frozen=True, kw_only=True)
class Fixed(Experiment):
    """Measures a fixed list of trials with whatever the material is."""

    name: ClassVar[str] = "fixed"
    adjustable: ClassVar[tuple[str, ...]] = ("models",)
    seed: int = 0
    models: int = 4
    a: int = 1

    def fitted(self, material, say):
        return self

    def strategy(self):
        return FixedList(TRIALS[: self.models])

    def evaluator(self, material):
        return material

    def total(self, strategy):
        return float(self.models)

    def report(self, run):
        return Report(summary=run.status)


def launched(folder: Path, evaluator=measure, *, deadline=None, listen=None, command=(), **fields):
    return execute(
        Fixed(**fields), HeldSource(material=evaluator), folder, deadline=deadline, listen=listen or Listener(),
        command=command,
    )  # fmt: skip


# ---------------------------------------------------------------- the journal of a run


def test_a_new_run_says_what_it_ran_on_and_where(tmp_path):
    run = launched(tmp_path / "run", models=5, command=["zoo", "study"])
    about = run.value("about")
    assert {"thriftnas", "torch", "numpy", "ray", "python"} <= set(about["versions"])
    assert set(about["hardware"]) == {"processor", "instructions", "kernels", "cores", "gpu", "system"}
    assert about["hardware"]["cores"] == os.cpu_count()
    assert run.command == ["zoo", "study"]
    assert run.value("directory") == os.getcwd()
    assert run.value("growth") == [5]


def test_instruction_sets_are_those_that_speed_depends_on(monkeypatch, tmp_path):
    described = tmp_path / "cpuinfo"
    lines = "processor : 0\nflags : fpu avx2 avx512_bf16 amx_tile sse4_2 apic\nprocessor : 1\nflags : none\n"
    described.write_text(lines)
    monkeypatch.setattr(machine, "CPUINFO", described)
    hardware = machine.about()["hardware"]
    assert hardware["instructions"] == "amx_tile avx2 avx512_bf16 sse4_2"
    assert hardware["kernels"]


def test_a_continued_run_keeps_its_facts_and_takes_the_new_command(tmp_path, monkeypatch):
    launched(tmp_path / "run", models=5, command=["first"])
    monkeypatch.setattr(execution, "about", lambda: {"versions": "of today"})
    for models, growth in ((5, [5]), (8, [5, 8]), (8, [5, 8]), (9, [5, 8, 9])):
        run = launched(tmp_path / "run", models=models, command=["second"])
        assert run.value("about")["versions"] != "of today"
        assert run.command == ["second"]
        assert run.value("growth") == growth


@pytest.mark.parametrize("fields", [{"a": 2, "models": 5}, {"a": 1, "models": 4}])
def test_a_refused_command_leaves_no_trace_in_the_journal(tmp_path, fields):
    launched(tmp_path / "run", models=5, command=["first"])
    with pytest.raises(ValueError, match=r"a is 1 there, got 2|5 models; it can grow, not shrink to 4"):
        launched(tmp_path / "run", command=["second"], **fields)
    with contextlib.closing(Journal.open(tmp_path / "run", readonly=True)) as journal:
        assert (journal.get("command"), journal.get("growth")) == (["first"], [5])


def test_a_run_of_an_earlier_version_goes_on_where_the_experiment_says_so(tmp_path):
    @dataclass(frozen=True, kw_only=True)
    class Newer(Fixed):
        version: ClassVar[int] = 2
        continues: ClassVar[tuple[int, ...]] = (1,)

    @dataclass(frozen=True, kw_only=True)
    class Other(Fixed):
        version: ClassVar[int] = 3

    launched(tmp_path / "run", models=4)
    source = HeldSource(material=measure)
    run = execute(Newer(models=6), source, tmp_path / "run")
    assert run.status["done"] == 6
    assert run.identity["strategy"]["version"] == 1
    with pytest.raises(ValueError, match=r"strategy\.version is 1 there, got 3"):
        execute(Other(models=6), source, tmp_path / "run")


# ---------------------------------------------------------------- running


@pytest.mark.parametrize("decided", [(), (3, 6)])
def test_what_a_run_costs_is_summed_up_where_it_may_have_changed_and_not_for_every_record(tmp_path, decided):
    asked, heard = [], []

    @dataclass(frozen=True, kw_only=True)
    class Priced(Fixed):
        def total(self, strategy):
            asked.append(len(heard))
            return super().total(strategy) + len(asked)

        def observe(self, strategy, journal):
            return ["a look"] if len(heard) in decided else ()

    class Hearing(Listener):
        def progressed(self, progress):
            if progress.record is not None:
                heard.append(progress.total)

    execute(Priced(models=9), HeldSource(material=measure), tmp_path / "run", listen=Hearing())
    assert asked == [0, *decided, 9]
    assert len(set(heard)) == 1 + len(decided)


class Closing(SerialExecutor):
    """Remembers that it was closed."""

    closed = False

    def close(self):
        self.closed = True


def with_executor(monkeypatch, make):
    monkeypatch.setattr(Resources, "executor", lambda *_: make())


def test_a_run_ends_and_closes_its_workers(tmp_path, monkeypatch):
    workers = Closing(measure)
    with_executor(monkeypatch, lambda: workers)
    assert launched(tmp_path / "run").finished
    assert workers.closed


def test_a_finished_run_starts_no_workers(tmp_path, monkeypatch):
    assert launched(tmp_path / "run").finished
    with_executor(monkeypatch, lambda: pytest.fail("workers were started"))
    assert launched(tmp_path / "run").finished


def test_after_its_time_a_run_starts_nothing_new_and_can_be_continued(tmp_path):
    clock = iter(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execution, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        run = launched(tmp_path / "run", deadline=3)
    assert not run.finished
    counts = run.status
    assert counts["pending"] == 0
    assert 1 <= counts["done"] < 4
    assert launched(tmp_path / "run").finished


def test_workers_are_closed_when_something_breaks(tmp_path, monkeypatch):
    def interrupt(jobs):
        raise KeyboardInterrupt

    workers = Closing(interrupt)
    with_executor(monkeypatch, lambda: workers)
    with pytest.raises(KeyboardInterrupt):
        launched(tmp_path / "run")
    assert workers.closed


def test_a_failed_trial_is_said_as_it_is(tmp_path, capsys):
    def fail(jobs):
        return [(Record(index=job.trial.index, ok=False, reason="[bold] is no tag"), None) for job in jobs]

    with Bar(Console(width=100)) as bar:
        assert launched(tmp_path / "run", fail, listen=bar).finished
    assert "trial 3 (c0r0s0e1) failed: [bold] is no tag" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [0, -1])
def test_resources_need_workers(workers):
    with pytest.raises(ValueError, match=f"workers must be at least 1, got {workers}"):
        Resources(workers=workers).check()


@pytest.mark.parametrize(
    ("asked", "threads", "workers"),
    [
        (Resources(workers=8), 1, 4),
        (Resources(workers=3), 1, 3),
        (Resources(workers=4), 2, 2),
        (Resources(workers=2), 6, 1),
        (Resources(workers=8, gpus=0.5), 1, 8),
        (Resources(workers=8, address="auto"), 1, 8),
    ],
)
def test_no_more_workers_than_cores_unless_ray_counts_something_else(monkeypatch, asked, threads, workers):
    monkeypatch.setattr(places, "usable_cores", lambda: 4)
    assert asked.fitting(threads) == replace(asked, workers=workers)


def test_cores_are_those_this_process_may_use():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


# ---------------------------------------------------------------- files


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    write_text(tmp_path / "a.csv", "first")

    def refuse(*_: object) -> None:
        assert (tmp_path / "a.csv").read_text() == "first"  # a reader sees the old one until now
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "a.csv", "second")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "first"}


def test_json_that_no_reader_could_parse_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"accuracy": float("nan")})
    assert os.listdir(tmp_path) == []
    write_json(tmp_path / "a.json", {"ρ": 0.5})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ρ": 0.5}


def test_starting_a_finished_run_reads_its_history_once(tmp_path, monkeypatch):
    """Once for all records, not once for each: of 40,000 trials that took 80 seconds."""
    launched(tmp_path / "run", models=9)
    reads, trials, records = [], Manager.trials, Manager.records
    monkeypatch.setattr(Manager, "trials", property(lambda self: (reads.append("trials"), trials.fget(self))[1]))
    monkeypatch.setattr(Manager, "records", property(lambda self: (reads.append("records"), records.fget(self))[1]))
    assert launched(tmp_path / "run", models=9).finished
    assert reads.count("trials") == 1
    assert reads.count("records") <= 2
