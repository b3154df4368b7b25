"""A damaged write-ahead log of a crashed run: said in one line, and never another result."""

import random
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from zoo.population import Journal, Manager, ProxySetting, RandomSearch, Record, SerialExecutor
from zoo.population.journal import FILE
from zoo.spaces import DARTS

COUNT = 12
HEADER, PAGE = 32, 4096


def search():
    return RandomSearch(DARTS, ProxySetting(0, 0, 0, 1), COUNT, seed=0, keep=False)


def answer(batch):
    draws = [np.random.default_rng((0, job.trial.index)).random() for job in batch]
    return [
        (Record(index=job.trial.index, ok=True, metrics={"accuracy": draw}), None)
        for job, draw in zip(batch, draws, strict=True)
    ]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A folder as a killed process leaves it, everything in the log; and the digest of the run's end."""
    folder = tmp_path_factory.mktemp("crashed")
    journal = Journal.create(folder / "run", {})
    Manager(search(), journal).run(SerialExecutor(answer))
    shutil.copytree(folder / "run", folder / "copy")
    digest = journal.digest()
    journal.close()
    return folder / "copy", digest


def continued(folder: Path) -> tuple[str, int, str]:
    """What is said of the log, how many records there were, and the digest at the end."""
    with closing(Journal.open(folder)) as journal:
        held = len(journal.records())
        assert Manager(search(), journal).run(SerialExecutor(answer))
        return journal.lost, held, journal.digest()


def test_a_whole_log_is_read_without_a_word(crashed, tmp_path):
    folder, digest = crashed
    run = Path(shutil.copytree(folder, tmp_path / "run"))
    assert continued(run) == ("", COUNT, digest)
    assert continued(run) == ("", COUNT, digest), "and so is what a closed one leaves"


@pytest.mark.parametrize("part", ["header", "frame", "page"])
def test_a_flipped_bit_is_one_line_and_the_run_ends_as_it_would_have(crashed, tmp_path, part):
    folder, digest = crashed
    data, rng = (folder / f"{FILE}-wal").read_bytes(), random.Random(part)
    for attempt in range(8):
        frame = rng.randrange((len(data) - HEADER) // (24 + PAGE) - 1)
        begin = HEADER + frame * (24 + PAGE)
        place = {"header": rng.randrange(HEADER), "frame": begin + rng.randrange(24)}.get(
            part, begin + 24 + rng.randrange(PAGE)
        )
        run = Path(shutil.copytree(folder, tmp_path / f"{part} {attempt}"))
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        (run / f"{FILE}-wal").write_bytes(damaged)
        (run / f"{FILE}-shm").unlink()  # as after a restart
        said, held, found = continued(run)
        assert "write-ahead log is damaged" in said
        assert "\n" not in said
        assert held < COUNT
        assert found == digest


def test_frames_of_before_the_log_began_anew_are_none_of_it(tmp_path):
    """They are older than what a checkpoint has put into the journal."""
    journal = Journal.create(tmp_path / "run", {})
    manager = Manager(search(), journal)
    manager.run(SerialExecutor(answer))
    journal._db.execute("PRAGMA wal_checkpoint(RESTART)")
    journal.set("name", 1)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    (tmp_path / "copy" / f"{FILE}-shm").unlink()
    assert continued(tmp_path / "copy") == ("", COUNT, journal.digest())
    journal.close()
