"""The Python of README.md, run line by line: the jobs are made small, everything else is as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest

import thriftnas
from tests.face.conftest import SMALL, small

README = Path(__file__).parents[2] / "README.md"
LINES = 12


def blocks() -> list[str]:
    section = README.read_text(encoding="utf-8").partition("## Use it from Python")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


BLOCKS = blocks()


@pytest.fixture
def tiny(monkeypatch, tmp_path, data, without_drawing):
    """The jobs with few and small images, one epoch, and one worker; the folder holds what the README reads."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", data[0])
    np.save("labels.npy", data[1])
    called = []

    def made_small(job, function):
        def run(*arguments, **options):
            called.append(job)
            places = {"train": 1, "front": None}
            place = places.get(job, 0)
            if place is not None:
                given = list(arguments)
                assert isinstance(given[place], tuple | str)
                given[place] = data
                return function(*given, **{**options, **small(job)})
            return function(*arguments, images=data, **{**options, **small(job), "limit": "macs<=1e9"})

        return run

    for job in SMALL:
        monkeypatch.setattr(thriftnas, job, made_small(job, getattr(thriftnas, job)), raising=False)
    return called


def test_the_four_jobs_are_shown_in_few_lines():
    assert len(BLOCKS) == 5
    assert all(len(block.splitlines()) <= LINES for block in BLOCKS)
    shown = set(re.findall(r"thriftnas\.(\w+)\(", "".join(BLOCKS)))
    assert shown >= {"study", "econas", "supernet", "front", "darts", "train"}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_lines_run(number, tiny, capsys, tmp_path):
    found: dict[str, object] = {}
    exec(compile(BLOCKS[number], f"README.md, block {number + 1}", "exec"), found)
    assert capsys.readouterr().out.strip()
    assert [job for job in tiny if f"thriftnas.{job}(" not in BLOCKS[number]] == []
    if "front" in tiny:
        assert len(list((tmp_path / "networks").glob("model-*.json"))) >= 1
    for run in (found.get(name) for name in ("study", "search", "final")):
        if run is not None:
            assert run.finished
            assert any(run.folder.glob("*.html"))
