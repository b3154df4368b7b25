import dataclasses
import json
import math
import sqlite3

import numpy as np
import pytest

from zoo.population import Journal, ProxySetting, Record, Trial
from zoo.population.journal import Event
from zoo.population.judged import Judged, standing
from zoo.population.trial import ALONE
from zoo.spaces import DARTS, PUBLISHED, genotype_from_json

SETTING = ProxySetting.parse("c4r4s0e3")
GENOTYPES = [DARTS.sample(np.random.default_rng(i)) for i in range(8)]


def trial(index, **changes):
    fields = {
        "index": index,
        "genotype": GENOTYPES[index % 8],
        "setting": SETTING,
        "start": 0,
        "stop": 1,
        "role": "zoo",
    }
    return Trial(**(fields | changes))


def record(index, **changes):
    fields = {"index": index, "ok": True, "metrics": {"accuracy": index / 8, "loss": 2.5}, "batch": index // 2 * 2}
    return Record(**(fields | changes))


def fill(journal):
    """Three batches of two, told out of order, the last one still running."""
    for first in (0, 2, 4):
        journal.append_ask(2, [trial(first), trial(first + 1)])
    journal.append_tell([record(2), record(3, ok=False, reason="diverged", metrics={})])
    journal.append_tell([record(0), record(1)])
    return journal


@pytest.fixture(params=["memory", "disk"])
def journal(request, tmp_path):
    made = Journal.memory({"a": 1}) if request.param == "memory" else Journal.create(tmp_path / "run", {"a": 1})
    yield made
    made.close()


def test_what_was_appended_is_read_back_in_order(journal):
    fill(journal)
    assert journal.trials() == [trial(i) for i in range(6)]
    assert list(journal.records()) == [0, 1, 2, 3]
    assert journal.records()[2] == record(2)
    assert journal.records()[3].reason == "diverged"
    assert journal.events() == [
        Event("ask", 2, (0, 1)),
        Event("ask", 2, (2, 3)),
        Event("ask", 2, (4, 5)),
        Event("tell", 0, (2, 3)),
        Event("tell", 0, (0, 1)),
    ]
    assert journal.counts() == {"trials": 6, "done": 4, "failed": 1, "pending": 2}


def test_a_new_journal_is_empty(journal):
    assert (journal.trials(), journal.records(), journal.events()) == ([], {}, [])
    assert journal.counts() == {"trials": 0, "done": 0, "failed": 0, "pending": 0}
    assert len(journal.frame()) == 0


def test_numbers_come_back_bit_for_bit(journal):
    metrics = {"accuracy": math.nextafter(1 / 3, 1), "tiny": 5e-324, "macs": 2**70}
    journal.append_ask(1, [trial(0)])
    journal.append_tell([record(0, metrics=metrics, seconds=0.1)])
    assert journal.records()[0].metrics == metrics


def test_named_values_are_kept_and_replaced(journal):
    assert journal.get("growth") is None
    for value in ([3], [3, 5], {"a": None}):
        journal.set("growth", value)
        assert journal.get("growth") == value
    assert journal.identity == {"a": 1}
    assert journal.events() == []


# ---------------------------------------------------------------- one transaction per append


class Cut:
    """A connection that breaks at a statement that begins with a word: its disk is full, or its process dies."""

    def __init__(self, connection, word, error):
        self._connection, self._word, self._error = connection, word, error

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, statement, *arguments):
        if statement.startswith(self._word):
            raise self._error
        return self._connection.execute(statement, *arguments)


ERRORS = [KeyboardInterrupt(), sqlite3.OperationalError("database or disk is full"), OSError(28, "no space")]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("word", ["BEGIN", "INSERT INTO events", "COMMIT"])
def test_an_append_that_breaks_leaves_nothing_and_the_journal_goes_on(journal, word, error):
    fill(journal)
    before = journal.digest(), journal.events(), journal.counts()
    torn = Journal(Cut(journal._db, word, error))
    with pytest.raises(type(error)):
        torn.append_ask(2, [trial(6), trial(7)])
    with pytest.raises(type(error)):
        torn.append_tell([record(4), record(5)])
    assert (journal.digest(), journal.events(), journal.counts()) == before
    journal.append_ask(2, [trial(6), trial(7)])
    journal.append_tell([record(4), record(5)])
    assert journal.counts() == {"trials": 8, "done": 6, "failed": 1, "pending": 2}


def test_a_disk_that_is_really_full_leaves_a_usable_journal(tmp_path):
    journal = fill(Journal.create(tmp_path / "run", {}))
    before, db = journal.digest(), journal._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    many = [trial(i) for i in range(6, 500)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        journal.append_ask(500, many)
    assert journal.digest() == before
    db.execute("PRAGMA max_page_count = 100000")
    journal.append_ask(500, many)
    assert journal.counts()["trials"] == 500
    journal.close()


@pytest.mark.parametrize(
    ("append", "error"),
    [
        (lambda journal: journal.append_ask(2, [trial(6), trial(5)]), sqlite3.IntegrityError),
        (lambda journal: journal.append_tell([record(4), record(0)]), sqlite3.IntegrityError),
        (lambda journal: journal.append_tell([record(4), record(5, metrics={"x": 1j})]), ValueError),
    ],
)
def test_nothing_is_appended_twice_and_a_batch_goes_in_whole(journal, append, error):
    fill(journal)
    before = journal.digest(), journal.events()
    with pytest.raises(error):
        append(journal)
    assert (journal.digest(), journal.events()) == before


# ---------------------------------------------------------------- digest


def test_the_digest_ignores_the_order_of_events_and_how_it_was_measured():
    other = Journal.memory({"another": "identity"})
    other.append_ask(2, [trial(0), trial(1)])
    other.append_tell([record(0, seconds=9.0, host="elsewhere", attempt=3), record(1)])
    other.append_ask(9, [trial(2), trial(3)])
    other.append_ask(2, [trial(4), trial(5)])
    other.append_tell([record(2), record(3, ok=False, reason="diverged", metrics={}, seconds=1.0)])
    other.set("command", ["anything"])
    assert other.digest() == fill(Journal.memory({})).digest()


def test_the_digest_is_that_of_the_file(tmp_path):
    journal = fill(Journal.create(tmp_path / "run", {}))
    assert journal.digest() == fill(Journal.memory({})).digest()
    journal.close()


RECORD_CHANGES = [
    {"ok": False},
    {"reason": "x"},
    {"metrics": {"accuracy": 0.5}},
    {"metrics": {"accuracy": math.nextafter(0, 1), "loss": 2.5}},
    {"epochs_paid": 1.0},
    {"checkpoint": "ab"},
    {"batch": 9},
    {"notes": {"genotype": {}}},
]
TRIAL_CHANGES = [
    {"genotype": PUBLISHED["DARTS_V1"]},
    {"setting": ProxySetting.parse("c4r4s1e3")},
    {"setting": None},
    {"stop": 2},
    {"parent": "x"},
    {"role": "x"},
    {"keep": True},
    {"tags": {"cycle": 0}},
]


@pytest.mark.parametrize(
    ("of", "changes"), [*(("record", c) for c in RECORD_CHANGES), *(("trial", c) for c in TRIAL_CHANGES)]
)
def test_the_digest_changes_with_anything_else(of, changes):
    digests = set()
    for change in ({}, changes):
        journal = Journal.memory({})
        journal.append_ask(1, [trial(0, **(change if of == "trial" else {}))])
        journal.append_tell([record(0, **(change if of == "record" else {}))])
        digests.add(journal.digest())
    assert len(digests) == 2


def test_the_digest_ignores_incidental_notes_only():
    digests = []
    for notes in ({}, {"fallback": "maps too large"}, {"curve": [1]}, {"curve": [1], "fallback": "no memory"}):
        journal = Journal.memory({})
        journal.append_ask(1, [trial(0)])
        journal.append_tell([record(0, notes=notes)])
        assert journal.records()[0].notes == notes
        digests.append(journal.digest())
    assert digests[0] == digests[1] != digests[2] == digests[3]


def test_the_digest_knows_pending_trials_and_whose_a_record_is():
    digests = set()
    for told in ([], [0], [1], [0, 1]):
        journal = Journal.memory({})
        journal.append_ask(2, [trial(0, genotype=GENOTYPES[0]), trial(1, genotype=GENOTYPES[0])])
        journal.append_tell([dataclasses.replace(record(0), index=i) for i in told])
        digests.add(journal.digest())
    assert len(digests) == 4


# ---------------------------------------------------------------- frame


def test_the_frame_has_a_row_per_trial_and_a_column_per_field_and_metric(journal):
    frame = fill(journal).frame()
    assert list(frame["index"]) == list(range(6))
    fields = {"setting", "start", "stop", "resumes", "parent", "role", "keep", "genotype", "key"}
    measured = {"ok", "reason", "epochs_paid", "seconds", "checkpoint", "batch", "attempt", "host"}
    assert set(frame.columns) == {"index", "accuracy", "loss"} | fields | measured
    assert list(frame["setting"]) == ["c4r4s0e3"] * 6
    assert list(frame["accuracy"].dropna()) == [0, 1 / 8, 2 / 8]
    assert list(frame["ok"].isna()) == [False] * 4 + [True] * 2
    for number, row in frame.iterrows():
        assert genotype_from_json(row["genotype"]) == GENOTYPES[number]
        assert row["key"] == GENOTYPES[number].key


def test_the_frame_has_tags_and_notes_where_there_are_any(journal):
    fill(journal)
    journal.append_ask(1, [trial(6, tags={"cycle": 2})])
    assert list(journal.frame()["tags"]) == ["{}"] * 6 + ['{"cycle": 2}']
    assert "notes" not in journal.frame()
    journal.append_tell([record(4), record(6, notes={"curve": [0.5, None]})])
    notes = journal.frame()["notes"]
    assert list(notes.dropna()) == ["{}"] * 5 + ['{"curve": [0.5, null]}']
    assert list(notes.isna()) == [False] * 5 + [True, False]


def test_a_journal_holds_plain_json(tmp_path):
    fill(Journal.create(tmp_path / "run", {})).close()
    db = sqlite3.connect(tmp_path / "run" / "journal.sqlite")
    (text,) = db.execute("SELECT trial FROM trials WHERE number = 3").fetchone()
    assert json.loads(text)["index"] == 3
    db.close()


def test_the_best_trial_is_trained_to_its_end_and_retrained_where_any_is():
    journal, best = Journal.memory({}), []
    stages = [(1, "child", 0.9), (3, "child", 0.5), (3, "child", 0.6), (1, "retrain", 0.99), (3, "retrain", 0.4)]
    for index, (stop, role, accuracy) in enumerate(stages):
        trial = Trial(
            index=index, genotype=PUBLISHED["DARTS_V1"], setting=ProxySetting(0, 0, 0, 3), start=stop - 1, stop=stop,
            resumes=index - 1 if stop > 1 else None, role=role,
        )  # fmt: skip
        journal.append_ask(1, [trial])
        journal.append_tell([Record(index=index, ok=True, metrics={"accuracy": accuracy})])
        best.append(journal.best(Judged(), apart=ALONE)[0])
        known = zip(journal.trials(), journal.records().values(), strict=True)
        assert best[-1] == max(known, key=lambda one: (standing(one[0]), one[1].metrics["accuracy"]))[0].index
    assert best == [0, 1, 2, 2, 4]


def test_the_best_trial_is_found_without_reading_the_others(monkeypatch):
    journal = Journal.memory({})
    accuracies = [0.5, 0.75, None, 0.75, 0.25, 0.9]
    for index, value in enumerate(accuracies):
        role = ALONE if value == 0.9 else "child"  # which only checks what a search has measured
        trial = Trial(
            index=index, genotype=PUBLISHED["DARTS_V1"], setting=ProxySetting(0, 0, 0, 1), start=0, stop=1, role=role
        )
        journal.append_ask(1, [trial])
        metrics = {} if value is None else {"accuracy": value}
        journal.append_tell([Record(index=index, ok=value is not None, metrics=metrics)])
    parsed, parse = [], Trial.from_dict
    monkeypatch.setattr(Trial, "from_dict", lambda data: (parsed.append(data["index"]), parse(data))[1])
    assert journal.best(Judged(), apart=ALONE) == (1, 0.75, 0.75), "the first of several"
    assert journal.best(Judged(metric="loss", more=False), apart=ALONE) is None
    found = journal.trial(1)
    assert parsed == [1]
    assert found == journal.trials()[1]
