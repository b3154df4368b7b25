"""Journals of schema 2 as they were before rows had checksums: they are read forever, and go on.

They were made at commit cfe4fd3 by killing a search of the fake training of conftest.py after a few batches, and
``econas search --table`` on the made-up table of tests/commands/test_econas_table.py.
"""

import base64
import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from tests.commands.test_econas_table import SEARCH, invented
from zoo.cli import main
from zoo.population import Journal, Manager, SerialExecutor, WeightStore
from zoo.population.table import LAYOUTS


@cache
def runs():
    return json.loads(gzip.decompress(Path(__file__).with_name("schema_2.json.gz").read_bytes()))


@pytest.fixture
def unpacked(tmp_path):
    def write(name):
        for file, content in runs()[name]["files"].items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(content))
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["halving", "table"])
def test_it_reads_as_it_did_and_is_not_changed_by_that(unpacked, name):
    folder, expected = unpacked(name), runs()[name]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    journal = Journal.open(folder, readonly=True)
    assert (journal.digest(), journal.counts()) == (expected["digest"], expected["counts"])
    assert len(journal.trials()) == expected["counts"]["trials"]
    journal.close()
    assert {path: path.read_bytes() for path in before} == before


def test_a_search_with_weights_goes_on_to_the_digest_it_would_have_had(unpacked, halving, training):
    folder, expected = unpacked("halving"), runs()["halving"]
    journal, jobs = Journal.open(folder), []

    def evaluator(batch):
        jobs.extend(batch)
        return training(batch)

    assert Manager(halving(), journal, WeightStore(folder / "checkpoints"), 2).run(SerialExecutor(evaluator))
    assert (journal.digest(), journal.counts()) == (expected["ended"], expected["ended_counts"])
    assert all(job.checkpoint is not None for job in jobs if job.trial.start), "its weights are those it resumes"
    journal.close()


def test_the_same_command_goes_on_to_the_digest_it_would_have_had(unpacked, tmp_path, without_drawing):
    folder, expected = unpacked("table"), runs()["table"]
    table = invented(LAYOUTS[1], tmp_path)
    assert main([*SEARCH, "--surrogate", "none", "--table", str(table), "--out", str(folder)]) == 0
    journal = Journal.open(folder, readonly=True)
    assert (journal.digest(), journal.counts()) == (expected["ended"], expected["ended_counts"])
    journal.close()
