"""What a power cut may take: nothing that was told. Its moments are simulated by the order of calls, and by copies."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo.population import FixedList, Journal, Manager, ProxySetting, Record, SerialExecutor, Trial, WeightStore
from zoo.population import manager as managing
from zoo.population.journal import FILE
from zoo.population.trial import AGAIN
from zoo.spaces import DARTS

STAGES = 4  # the fifth trial of the fake training fails


def chain(stages=STAGES):
    genotype, setting = DARTS.sample(np.random.default_rng(0)), ProxySetting(0, 0, 0, stages)
    return [
        Trial(index=i, genotype=genotype, setting=setting, start=i, stop=i + 1, resumes=i - 1 if i else None, keep=True)
        for i in range(stages)
    ]


class Newest(FixedList):
    """Needs the weights of the newest trial only, as a retraining does."""

    def resumable(self):
        return {max(self._told)} if self._told else set()


def test_told_means_that_weights_their_name_and_the_journal_are_on_the_disk(tmp_path, training, monkeypatch):
    journal, store, calls = Journal.create(tmp_path / "run", {}), WeightStore(tmp_path / "run" / "weights"), []
    fsync, replace, unlink, tell = os.fsync, os.replace, Path.unlink, Journal.append_tell

    def synced(handle):
        calls.append("folder synced" if Path(f"/proc/self/fd/{handle}").resolve().is_dir() else "weights synced")
        fsync(handle)

    def told(self, records, *, synced=True):
        tell(self, records, synced=synced)
        assert self._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: a commit waits for the disk"
        calls.append("journal synced" if synced else "journal not synced")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("named"), replace(*names)))
    monkeypatch.setattr(Path, "unlink", lambda self, **_: (calls.append("old ones removed"), unlink(self)))
    monkeypatch.setattr(Journal, "append_tell", told)
    trials = Newest(chain())
    Manager(trials, journal, store).run(SerialExecutor(training), listen=lambda *_: calls.append("heard"))
    journal.close()
    one = ["weights synced", "named", "folder synced", "journal synced", "heard"]
    assert calls[-6:] == [*one, "old ones removed"]
    assert calls.count("journal not synced") == 0
    assert len(store.names) == 2, "two generations"


@pytest.mark.parametrize("behind", [0, 2])
def test_a_copy_whose_journal_is_a_step_behind_its_weights_trains_nothing_twice(tmp_path, training, behind):
    """Two records later the step after the first has been forgotten."""
    journal, store = Journal.create(tmp_path / "run", {}), WeightStore(tmp_path / "run" / "weights")
    copies = tmp_path / "copies"

    def copy(trial, record):
        (copies / str(trial.index)).mkdir(parents=True)
        for name in (FILE, FILE + "-wal"):  # the blocks of the journal, as they are on the disk
            shutil.copy(tmp_path / "run" / name, copies / str(trial.index) / name)
        if trial.index >= behind:
            shutil.copytree(store.folder, copies / str(trial.index - behind) / "weights")

    Manager(Newest(chain()), journal, store).run(SerialExecutor(training), listen=copy)
    for moment in range(STAGES - behind):
        again = Journal.open(copies / str(moment))
        assert len(again.records()) == moment + 1, "what was told is in the copy"
        assert Manager(Newest(chain()), again, WeightStore(copies / str(moment) / "weights")).run(
            SerialExecutor(training)
        )
        assert again.digest() == journal.digest()
        assert sum(record.epochs_paid for record in again.records().values()) == STAGES
        again.close()
    journal.close()


def test_records_of_a_table_wait_for_the_disk_together_and_are_heard_then(tmp_path, monkeypatch):
    def look_up(jobs):
        return [(Record(index=job.trial.index, ok=True, metrics={"accuracy": 0.5}), None) for job in jobs]

    journal, synced, heard, tell, sync = Journal.create(tmp_path, {}), [], [], Journal.append_tell, Journal.sync

    def told(self, records, *, synced_=synced, **how):
        tell(self, records, **how)
        synced_ += [True] if how["synced"] else []

    monkeypatch.setattr(Journal, "append_tell", told)
    monkeypatch.setattr(Journal, "sync", lambda self: (synced.append(True), sync(self)))
    monkeypatch.setattr(managing, "SETTLE_SECONDS", 60.0)
    trials = [
        Trial(index=i, genotype=chain()[0].genotype, setting=ProxySetting(0, 0, 0, 1), start=0, stop=1)
        for i in range(40)
    ]
    assert Manager(FixedList(trials), journal).run(
        SerialExecutor(look_up), listen=lambda trial, _: heard.append((trial.index, len(synced)))
    )
    assert heard == [(i, 1) for i in range(40)], "one wait for all, at the end, before any is heard"
    assert journal.counts()["done"] == 40
    journal.close()


def test_a_record_that_took_long_waits_for_the_disk_at_once(tmp_path, monkeypatch):
    def slow(jobs):
        return [(Record(index=job.trial.index, ok=True, seconds=job.trial.index % 2), None) for job in jobs]

    journal, told, tell = Journal.create(tmp_path, {}), [], Journal.append_tell
    monkeypatch.setattr(Journal, "append_tell", lambda self, records, *, synced: (
        told.append((records[0].index, synced)), tell(self, records, synced=synced)
    ))  # fmt: skip
    monkeypatch.setattr(managing.time, "monotonic", lambda: 0.0)
    trials = [
        Trial(index=i, genotype=chain()[0].genotype, setting=ProxySetting(0, 0, 0, 1), start=0, stop=1)
        for i in range(4)
    ]
    assert Manager(FixedList(trials), journal).run(SerialExecutor(slow))
    assert told == [(0, False), (1, True), (2, False), (3, True)]
    journal.close()


def test_the_newest_weights_lost_the_chain_goes_back_one_stage(tmp_path, training):
    store, journal = WeightStore(tmp_path), Journal.memory({})

    def lose(trial, record):
        if trial.index == 2:
            (store.folder / record.checkpoint).unlink()

    Manager(Newest(chain()), journal, store).run(SerialExecutor(training), listen=lose)
    assert [record.epochs_paid for record in journal.records().values()] == [1, 1, 1, 2]
    assert [AGAIN in record.notes for record in journal.records().values()] == [False] * 3 + [True]
