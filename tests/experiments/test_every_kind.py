"""Every kind of run: the commands that look at runs work on it, and Python continues what a command began, and back."""

import contextlib
import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from scarlet.strategy import imagination
from tests.commands.conftest import Answer, call
from zoo.experiments import Bar, Listener, Progress, Run, execute, resume

IMAGES = ("--data", "digits", "--resolution", "8", "--train", "20", "--val", "10", "--batch", "20")
CELLS = (*IMAGES, "--channels", "2", "--cells", "3")
DARTS = (
    *("darts", "search", *CELLS, "--nodes", "4", "--operations", "skip_connect,conv_1x1", "--epochs", "2"),
    *("--final-cells", "3", "--final-channels", "2"),
)
FEW = ("--population", "4", "--generations", "2", "--group", "4")


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        words: of the command that makes one; TABLE and SUPERNET stand for their paths.
        name: of its strategy.
        page: of its report.
        refusal: why it has no network to export; empty where it has one.
    """

    words: tuple[str, ...]
    name: str
    page: str = "report.html"
    refusal: str = ""


KINDS = {
    "study": Kind(
        (
            *("zoo", "study", *CELLS, "--models", "3", "--repeats", "1", "--setting", "c1r0s0e1"),
            *("--reference", "c0r0s0e1"),
        ),
        "study",
    ),
    "zoo": Kind(("zoo", "build", *CELLS, "--models", "2", "--setting", "c0r0s0e1"), "zoo"),
    "training": Kind(("zoo", "train", "DARTS_V1", *CELLS, "--epochs", "2"), "train"),
    "econas": Kind(
        (
            *("econas", "search", *CELLS, "--setting", "c0r0s0e2", "--stages", "2", "--start", "2", "--parents", "1,1"),
            *("--promotions", "1", "--generations", "1", "--reference", "c0r0s0e1", "--finalists", "1"),
            *("--final-batch", "20"),
        ),
        "econas",
    ),
    "econas on a table": Kind(
        ("econas", "search", "--table", "TABLE", "--start", "4", "--parents", "2", "--generations", "3"), "econas-table"
    ),
    "supernet": Kind(
        ("scarlet", "train", "--space", "nas-bench-macro", *IMAGES, "--channels", "2", "--epochs", "2"),
        "supernet",
        refusal="supernet",
    ),
    "front": Kind(("scarlet", "search", "--supernet", "SUPERNET", *FEW), "scarlet", page="front.html"),
    "front on a table": Kind(("scarlet", "search", "--table", "TABLE", *FEW), "scarlet", page="front.html"),
    "darts": Kind(DARTS, "darts", refusal="the run has trained a supernet and no network"),
    "darts, retrained": Kind(
        (*DARTS, "--topology", "stretchable", "--every", "1", "--finalists", "1", "--final-epochs", "1"), "darts"
    ),
}


def each_but(*slow: str) -> pytest.MarkDecorator:
    """Every kind; those named in the slow tests only."""
    marks = {name: pytest.mark.slow if name in slow else () for name in KINDS}
    return pytest.mark.parametrize(
        "kind", [pytest.param(kind, id=name, marks=marks[name]) for name, kind in KINDS.items()]
    )


each = each_but()


class Broken(Listener):
    """Ctrl-C once so many trials are measured."""

    def __init__(self, after: int) -> None:
        self._after = after

    def progressed(self, progress: Progress) -> None:
        if progress.trial is not None and progress.trials >= self._after:
            raise KeyboardInterrupt


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Caches and default folders of their own, whatever the machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("THRIFTNAS_CACHE", "THRIFTNAS_DATA"):
            patch.setenv(name, str(folder / name))
        yield


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path) -> Iterator[None]:
    with surroundings(tmp_path):
        yield


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Pictures are not drawn and a front's model imagines little: they have tests of their own, and take long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "GENERATIONS", 4)
        patch.setattr(Figure, "savefig", lambda _, stream, **__: stream.write(b"<svg/>"))
        yield


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up table of NAS-Bench-Macro's form."""
    rows = ["arch,mean_acc,params,flops"]
    for choices in np.ndindex((3,) * 8):
        size = sum(choice * (1 + i % 3) for i, choice in enumerate(choices))
        row = f"{100 * (1 - np.exp(-size / 9)):.3f},{1000 + 10 * size},{1e6 * (1 + size)}"
        rows.append(f"{''.join(map(str, choices))},{row}")
    path = tmp_path_factory.mktemp("table") / "macro.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return path


Made = Callable[[Kind], tuple[Path, list[str]]]


@pytest.fixture(scope="session")
def made(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Makes a run by its command, once for all tests; gives its folder and the words that made it."""
    home = tmp_path_factory.mktemp("runs")
    found: dict[Kind, tuple[Path, list[str]]] = {}

    def make(kind: Kind) -> tuple[Path, list[str]]:
        if kind not in found:
            needed = {"TABLE": lambda: table, "SUPERNET": lambda: make(KINDS["supernet"])[0]}
            words = [str(needed[word]()) if word in needed else word for word in kind.words]
            folder = home / str(len(found)) / "run"
            folder.parent.mkdir()
            with surroundings(folder.parent):
                answer = call(*words, "--out", folder)
            assert answer.code == 0, answer.err
            found[kind] = folder, words
        return found[kind]

    return make


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Callable[[Kind], Path]:
    """A finished run of a kind, for this test alone."""
    return lambda kind: Path(shutil.copytree(made(kind)[0], tmp_path / "run"))


def good(answer: Answer) -> str:
    assert answer.code == 0, answer.err
    assert answer.out.strip()
    return answer.out


def refused(answer: Answer, message: str) -> None:
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert answer.err.count("\n") == 1
    assert message in answer.err


@each
def test_a_run_says_how_it_is_and_is_reported_and_finished(kind: Kind, copied: Callable[[Kind], Path], digest) -> None:
    run = copied(kind)
    before = digest(run)
    state = json.loads(good(call("run", "status", run, "--json")))
    assert list(state)[:5] == ["trials", "done", "failed", "pending", "best"]
    assert (state["state"], state["share"], state["eta_s"]) == ("finished", 1.0, None)
    assert state["trials"] == state["done"] > 0
    assert kind.name in good(call("run", "status", run))
    assert good(call("run", "digest", run)) == before + "\n"
    assert json.loads(good(call("run", "digest", run, "--json"))) == {"digest": before}
    (run / kind.page).unlink()
    said = json.loads(good(call("run", "report", run, "--json")))
    page = (run / kind.page).read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert good(call("run", "report", run))
    assert (run / kind.page).read_text(encoding="utf-8") == page
    again = json.loads(good(call("run", "resume", run, "--json")))  # nothing is left to measure
    assert said.items() <= again.items()
    assert digest(run) == before


@each
def test_networks_of_a_run_are_exported_or_it_says_that_there_are_none(
    kind: Kind, copied: Callable[[Kind], Path]
) -> None:
    run = copied(kind)
    plain = call("run", "export", run, "--format", "json", "--out", "export")
    as_json = call("run", "export", run, "--format", "json", "--json")
    if kind.refusal:
        for answer in (plain, as_json):
            refused(answer, kind.refusal)
        assert not (run / "export").exists()
        assert not Path("export").exists()
        return
    assert "Files: export" in good(plain)
    summary = json.loads(good(as_json))
    assert Path(summary["folder"]) == run / "export"
    names = sorted(path.name for path in Path("export").glob("model-*.json"))
    assert len(names) == len(summary["models"]) > 0
    assert sorted(path.name for path in (run / "export").glob("model-*.json")) == names


# The two ways to continue share their code: what takes long is continued in one of them only.
@each_but("study", "econas on a table", "front on a table")
def test_a_run_made_in_python_is_continued_by_the_command(kind: Kind, made: Made, digest) -> None:
    whole, run = made(kind)[0], Path("mine")
    like = Run.open(whole)
    with pytest.raises(KeyboardInterrupt):
        execute(like.experiment, like.source, run, listen=Broken(1))
    begun = Run.open(run)
    assert (begun.kind, begun.identity, begun.command) == (kind.name, like.identity, [])
    assert not begun.finished
    assert digest(run) != digest(whole)
    good(call("run", "resume", run))
    assert Run.open(run).finished
    assert digest(run) == digest(whole)
    assert (run / kind.page).exists()


@each_but("zoo", "econas", "supernet", "front")
def test_a_run_made_by_a_command_is_continued_in_python(
    kind: Kind, made: Made, digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole, words), run = made(kind), Path("theirs")
    with monkeypatch.context() as patch:
        patch.setattr(Bar, "progressed", Broken(1).progressed)
        assert call(*words, "--out", run).code == 130
    assert digest(run) != digest(whole)
    done = resume(run)
    assert done.finished
    assert done.digest == digest(whole)
