"""Journals of schema 1 are read forever, and go on as schema 2."""

import json
import sqlite3

import pytest

from tests.old_runs import NAMES, expected, write_old_run
from zoo.population import Journal, Manager, ProxySetting, Record, Trial
from zoo.population.journal import FILE
from zoo.population.schema_1 import converted, same_requests
from zoo.spaces import PUBLISHED

GENOTYPE = PUBLISHED["DARTS_V2"]


def trial(index=0, **changes):
    fields = {"index": index, "genotype": GENOTYPE, "setting": None, "start": 0, "stop": 1}
    return Trial(**(fields | changes))


@pytest.mark.parametrize("name", NAMES)
def test_an_old_run_reads_as_it_did(name, tmp_path):
    before = expected(name)
    folder = write_old_run(name, tmp_path / name)
    content = (folder / FILE).read_bytes()
    journal = Journal.open(folder, readonly=True)
    assert journal.digest() == before["digest"]
    assert journal.counts() == before["counts"]
    assert journal.schema_1_trials == before["counts"]["trials"]
    assert set(journal.frame().columns) - {"tags"} == set(before["columns"])
    assert [one.index for one in journal.trials()] == list(journal.records()) == list(range(before["counts"]["trials"]))
    journal.close()
    assert (folder / FILE).read_bytes() == content


def test_the_first_append_makes_it_one_of_schema_2(tmp_path):
    journal = Journal.open(write_old_run("scarlet", tmp_path / "run"))
    old = journal.trials()
    journal.set("command", ["again"])
    assert (journal.get("schema"), journal.schema_1_trials) == (1, 38)
    later = [trial(38, role="generation 5"), trial(39, tags={"generation": 5}), trial(40)]
    journal.append_ask(3, later)
    assert (journal.get("schema"), journal.schema_1_trials) == (2, 38)
    journal.append_tell([Record(index=index, ok=True) for index in (38, 39, 40)])
    assert journal.schema_1_trials == 38
    journal.close()
    again = Journal.open(tmp_path / "run", readonly=True)
    assert again.trials() == [*old, *later]  # what is new is not converted
    again.close()


def test_an_append_that_breaks_leaves_it_one_of_schema_1(tmp_path):
    journal = Journal.open(write_old_run("build", tmp_path / "run"))
    before = journal.digest()
    with pytest.raises(sqlite3.IntegrityError):
        journal.append_ask(1, [trial(0)])
    assert (journal.get("schema"), journal.schema_1_trials, journal.digest()) == (1, 4, before)
    journal.close()


def test_a_role_that_spells_a_generation_becomes_a_tag():
    assert converted(trial(role="generation 0")) == trial(role="start", tags={"generation": 0})
    assert converted(trial(role="generation 12")) == trial(role="child", tags={"generation": 12})
    for role in ("child", "generation", "generation x", "a generation 1"):
        assert converted(trial(role=role)) == trial(role=role)


def test_tags_that_schema_1_did_not_know_are_not_compared():
    held = [trial(role="child"), trial(1, role="child", tags={"generation": 2})]
    tagged = {"cycle": 1}
    assert same_requests([trial(tags=tagged), trial(1, tags=tagged | {"generation": 2})], held)
    assert same_requests([trial(), trial(1, role="generation 2")], held)  # a strategy that still spells it
    for other in (
        [trial(), trial(1)],
        [trial(), trial(1, tags={"generation": 3})],
        [trial()],
        [trial(stop=2), held[1]],
    ):
        assert not same_requests(other, held)


class Spelling:
    """A strategy of somebody else that goes on to spell its generations."""

    def ask(self, n, first):
        return [trial(first, role=f"generation {first}", setting=ProxySetting(0, 0, 0, 1))] if first < 3 else []

    def tell(self, records):
        pass

    def resumable(self):
        return set()


def test_a_strategy_that_spells_its_generations_goes_on(tmp_path, shuffled, training):
    folder = tmp_path / "run"
    journal = Journal.create(folder, {})
    assert Manager(Spelling(), journal).run(shuffled(1))
    digest = journal.digest()
    journal.set("schema", 1)
    manager = Manager(Spelling(), journal)
    assert [one.role for one in manager.trials] == [f"generation {i}" for i in range(3)]
    assert journal.digest() == digest
    journal.close()


def test_rows_are_what_they_were(tmp_path):
    """The fixture is of before: no tags, no notes, roles with generations."""
    db = sqlite3.connect(write_old_run("scarlet", tmp_path / "run") / FILE)
    (text,) = db.execute("SELECT trial FROM trials WHERE number = 20").fetchone()
    assert json.loads(text)["role"] == "generation 2"
    assert "tags" not in json.loads(text)
    db.close()
