"""The comparison of digests between two states of the code, with commands that train nothing."""

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks import digests
from benchmarks._trees import Failed, commit_copy, folder_copy
from benchmarks.digests import KINDS, Kind, Side, compared, pictures, row
from tests.benchmarks.conftest import Benchmark

GROWN = Kind("build", ("zoo build --models 1", "zoo build --models 2"))
STOPPED = Kind("supernet", ("scarlet train --data {photos}",), stop="1s")
NEEDY = Kind("front", ("scarlet search --supernet {supernet}",), needs="supernet")


class Code:
    """Commands that add their words to a file in the run folder; the digest is what is in it."""

    def __init__(self, *, accent="", refuses="", proud=False):
        self.accent, self.refuses, self.proud, self.told = accent, refuses, proud, []

    def call(self, arguments):
        words = [str(word) for word in arguments]
        if words[0] == "run":
            return json.dumps({"digest": Path(words[2], "words").read_text(), "done": 3})
        self.told.append(words)
        if self.refuses in words:
            raise Failed(f"no such option {self.refuses}")
        said = words[: words.index("--out")]
        file = Path(words[words.index("--out") + 1], "words")
        held = file.read_text().splitlines() if file.exists() else []
        if held and self.proud:
            raise Failed("the folder holds another run")
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = {*held, " ".join(word for word in said if "/" not in word) + self.accent}
        file.write_text("\n".join(sorted(lines)))
        return ""


@pytest.fixture
def rows(tmp_path):
    """The rows of a kind, and what both codes were told."""

    def make(kind, before, after):
        sides = [Side(code, tmp_path / name, {"photos": tmp_path}) for code, name in ((before, "old"), (after, "new"))]
        return list(compared(kind, *sides, tmp_path / "mixed"))

    return make


def test_equal_code_gives_equal_digests_anew_and_continued(rows):
    found = rows(GROWN, Code(), Code())
    assert [one["equal"] for one in found] == [True, True]
    assert [one["continued"] for one in found] == ["anew", "after 3 trials"]
    assert len({one["before"] for one in found}) == 1


def test_a_difference_is_seen_in_what_it_made_and_in_what_it_ended(rows):
    assert [one["equal"] for one in rows(GROWN, Code(), Code(accent="!"))] == [False, False]


def test_a_run_that_only_cannot_be_continued_is_seen(rows):
    anew, continued = rows(STOPPED, Code(), Code(proud=True))
    assert (anew["equal"], continued["equal"]) == (True, False)
    assert continued["after"] == "failed: the folder holds another run"


def test_a_command_that_fails_is_a_row_even_where_both_fail(rows):
    (one,) = rows(STOPPED, Code(refuses="train"), Code(refuses="train"))
    assert (one["before"], one["equal"]) == ("failed: no such option train", False)
    assert not row("build", "anew", "failed: x", "failed: x")["equal"]


def test_the_earlier_code_begins_and_this_one_ends(rows, tmp_path):
    before, after = Code(), Code()
    rows(STOPPED, before, after)
    whole = ["scarlet", "train", "--data", str(tmp_path), "--out"]
    assert before.told == [
        [*whole, str(tmp_path / "old" / "supernet")],
        [*whole, str(tmp_path / "mixed" / "supernet"), "--time", "1s"],
    ]
    assert after.told == [[*whole, str(tmp_path / folder / "supernet")] for folder in ("new", "mixed")]


def test_what_a_run_needs_is_made_once_by_each_code(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(digests, "KINDS", (STOPPED, NEEDY))
    before, after = Code(), Code()
    assert all(one["equal"] for one in rows(NEEDY, before, after))
    needed = [[words[3] for words in code.told if words[1] == "search"] for code in (before, after)]
    assert needed == [
        [str(tmp_path / "old" / "supernet")] * 2,
        [str(tmp_path / name / "supernet") for name in ("new", "old")],
    ]
    assert [sum(words[1] == "train" for words in code.told) for code in (before, after)] == [1, 1]


def test_every_kind_has_its_name_once_and_needs_what_there_is():
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert {kind.needs for kind in KINDS} <= {"", *names}


def test_pictures_are_the_same_every_time(tmp_path):
    one, other = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (pictures(tmp_path / "a"), pictures(tmp_path / "b"))
    )
    assert one == other
    assert len(one) == 80


@pytest.mark.parametrize(("failed", "code"), [(True, 1), (False, 0)])
def test_a_difference_is_the_exit_code(monkeypatch, failed, code):
    made = {"name": "digests", "rows": [row("build", "anew", "a", "b" if failed else "a")], "failed": failed}
    monkeypatch.setattr(digests, "run", lambda args: made)
    assert runner.main(["digests", "--only", "build"]) == code


def test_code_that_is_not_there_is_an_error(benchmark: Benchmark, tmp_path):
    with pytest.raises(ValueError, match="expected a commit"):
        benchmark("digests", "--commit nothing")
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        folder_copy(tmp_path, tmp_path / "copy")
    with pytest.raises(ValueError, match="expected a commit"):
        commit_copy("--output=here", tmp_path / "copy")


def test_a_copy_has_packages_whatever_their_names_and_no_outputs(tmp_path):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    for name in ("pyproject.toml", "runs/a", "zoo/runs/__init__.py", "zoo/__pycache__/a", ".git/a", "x.egg-info/a"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    folder_copy(tree, copy)
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == {
        "pyproject.toml",
        "zoo/runs/__init__.py",
    }
