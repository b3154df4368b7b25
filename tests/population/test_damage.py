"""A damaged journal is one clear line, never a traceback or another digest; what has no checksums is read as before."""

import contextlib
import json
import random
import shutil
import sqlite3

import numpy as np
import pytest

from tests.old_runs import write_old_run
from zoo.cli import main
from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.population.damage import numbers_of
from zoo.population.journal import FILE
from zoo.spaces import DARTS

IDENTITY = {"strategy": {"name": "mine"}, "data": "ab12", "group": 1}
SETTING = ProxySetting(0, 0, 0, 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    journal, rng = Journal.create(folder, IDENTITY), np.random.default_rng(0)
    for i in range(12):
        journal.append_ask(1, [Trial(index=i, genotype=DARTS.sample(rng), setting=SETTING, start=0, stop=1)])
        journal.append_tell([Record(index=i, ok=True, metrics={"accuracy": i / 20}, batch=i)])
    digest = journal.digest()
    journal.close()
    return folder, digest


def flipped(data, rng):
    damaged = bytearray(data)
    damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def scribbled(data, rng):
    place = rng.randrange(len(data) - 16)
    return data[:place] + rng.randbytes(16) + data[place + 16 :]


@pytest.mark.parametrize("damage", [flipped, scribbled])
def test_whatever_is_damaged_the_digest_is_the_same_or_there_is_one_line(whole, tmp_path, capsys, damage):
    (folder, digest), rng, refused = whole, random.Random(2), 0
    data = (folder / FILE).read_bytes()
    for attempt in range(60):
        run = tmp_path / str(attempt)
        run.mkdir()
        (run / FILE).write_bytes(damage(data, rng))
        for command in ("digest", "status"):
            code = main(["run", command, str(run), "--json"])
            out, err = capsys.readouterr()
            assert (code, err.count("\n")) in ((0, 0), (2, 1)), err
            refused += code == 2
            if command == "digest" and code == 0:
                assert json.loads(out)["digest"] == digest
        shutil.rmtree(run)
    assert refused > 10


def change(folder, statement):
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db:
        assert db.execute(statement).rowcount == 1
        db.commit()


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE records SET record = replace(record, '0.25', '0.75') WHERE number = 5", "row 5 of its records is not"),
        ("UPDATE trials SET trial = replace(trial, 'child', 'kid') WHERE number = 3", "row 3 of its trials is not"),
        (
            "UPDATE run SET value = replace(value, 'ab12', 'ab13') WHERE name = 'identity'",
            "its value 'identity' is not",
        ),
        ("DELETE FROM records WHERE number = 11", "its events and its records do not go together at trial 11"),
        ("DELETE FROM trials WHERE number = 0", "its events and its trials do not go together at trial 0"),
        ("DELETE FROM events WHERE place = 3", "its event 3 is missing or none"),
        ("UPDATE events SET asked = 2 WHERE place = 5", "row 4 of its events is not what was written"),
    ],
)
def test_a_changed_or_missing_row_is_named(whole, tmp_path, statement, line):
    folder = shutil.copytree(whole[0], tmp_path / "run")
    change(folder, statement)

    def read():
        with contextlib.closing(Journal.open(folder, readonly=True)) as journal:
            journal.trials(), journal.records(), journal.events()
            return journal.identity

    with pytest.raises(ValueError, match=r"journal\.sqlite is damaged: ") as error:
        read()
    assert line in str(error.value)


def test_a_value_or_an_event_nested_too_deeply_is_one_line(whole, tmp_path):
    deep = "[" * 100_000
    for number, (table, cell, where) in enumerate(
        (("run", "value", "name = 'identity'"), ("events", "numbers", "place = 3"))
    ):
        folder = tmp_path / str(number)
        shutil.copytree(whole[0], folder)
        db = sqlite3.connect(folder / FILE)
        db.execute(f"UPDATE {table} SET {cell} = ?, sum = NULL WHERE {where}", (deep,))
        db.commit()
        db.close()
        journal = Journal.open(folder)
        with pytest.raises(ValueError, match=r"is damaged: .*nested too deeply"):
            journal.trials() if table == "events" else journal.get("identity")
        journal.close()


@pytest.mark.parametrize("text", ["[7]", "[0]", "[ 7 ]", "[]", "[1, 2]", "[12,3]"])
def test_the_trials_of_an_event_are_those_of_its_json(text):
    assert numbers_of(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[", "7", "[07]", "[\u0663]", "(7)", "[7", '"a"', "{}", "null", "[\u00b2]"])
def test_what_names_no_trials_is_refused(text):
    with pytest.raises(ValueError, match=r"an event names|Expecting|Extra data"):
        numbers_of(text)


def test_rows_of_before_checksums_are_read_and_get_none_while_new_ones_do(tmp_path):
    folder = write_old_run("build", tmp_path / "run")
    journal = Journal.open(folder)
    before, trials = journal.digest(), journal.trials()
    new = Trial(index=len(trials), genotype=trials[0].genotype, setting=SETTING, start=0, stop=1)
    journal.append_ask(1, [new])
    assert journal.trials() == [*trials, new]
    journal.append_tell([Record(index=new.index, ok=True)])
    assert journal.digest() != before
    sums = [held for (held,) in journal._db.execute("SELECT sum FROM trials ORDER BY number")]
    assert sums[:-1] == [None] * len(trials)
    assert sums[-1] is not None
    journal.close()


@pytest.mark.parametrize("row", ["", "[]", "3", '{"index": 0}', "null", "[" * 100_000])
def test_a_row_of_before_that_is_no_record_is_one_line(tmp_path, row):
    folder = write_old_run("build", tmp_path / "run")
    with contextlib.closing(sqlite3.connect(folder / FILE)) as db:
        db.execute("UPDATE records SET record = ? WHERE number = 0", (row,))
        db.commit()
    with contextlib.closing(Journal.open(folder, readonly=True)) as journal:
        with pytest.raises(ValueError, match="is damaged: a row of its records is none") as error:
            journal.records()
        assert "\n" not in str(error.value)
        with pytest.raises(ValueError, match="is damaged"):
            journal.digest()
