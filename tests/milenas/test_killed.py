"""A search whose process is killed outright, started again until it ends: the same digest as one left alone."""

import random

import pytest

from tests.killing import finish, kill_often

SEARCH = [
    "darts", "search", "--data", "digits", "--resolution", "8", "--train", "120", "--val", "60", "--channels", "2",
    "--cells", "3", "--nodes", "5", "--topology", "stretchable", "--epochs", "3", "--batch", "20", "--every", "1",
    "--final-cells", "3", "--final-channels", "4", "--finalists", "1", "--final-epochs", "2",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_search_killed_three_times_ends_with_the_undisturbed_digest(tmp_path, digest):
    whole, run, log, rng = tmp_path / "whole", tmp_path / "run", tmp_path / "log", random.Random(1)
    finish([*SEARCH, "--out", str(whole)], log)
    command = [*SEARCH, "--out", str(run)]
    kill_often(command, run, log, [(count, rng.uniform(0, 0.2)) for count in (2, 5, 8)])
    assert digest(run) != digest(whole)
    finish(command, log)
    assert digest(run) == digest(whole)
    assert (run / "model.pt").exists()
