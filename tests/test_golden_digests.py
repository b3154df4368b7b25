"""Runs that train nothing have the digests they always had: on published tables, and on invented measurements."""

from pathlib import Path

import pytest

from tests.golden_runs import DATA, RUNS, GoldenRun, held


def test_every_run_has_a_digest_and_every_digest_a_run():
    digests = held()
    assert list(digests) == [run.name for run in RUNS]
    assert len(set(digests.values())) == len(digests)  # no two are the same run by mistake
    assert all(len(digest) == 64 for digest in digests.values())


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_its_digest_is_the_one_it_always_had(run: GoldenRun, tmp_path: Path):
    if not run.possible:
        pytest.skip(f"needs {run.table} of {DATA}")
    assert run.digest(tmp_path) == held()[run.name], f"{run.name} is another run than it was"
