"""The command line called in process, in a folder of its own, and a tiny study and zoo that tests may copy."""

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo.training.evaluator
from tests.overriding import overridden
from zoo.cli import main

SMALL = ["--channels", "4", "--cells", "3", "--resolution", "8", "--train", "40", "--val", "20", "--batch", "20"]
STUDY = ["zoo", "study", "--models", "3", "--setting", "c{0,4}r{0,4}s0e1", "--reference", "c0r0s0e1", *SMALL]
STUDY += ["--scores", "none"]
BUILD = ["zoo", "build", "--models", "2", "--setting", "c0r0s0e1", *SMALL]


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    code: int
    out: str
    err: str


Call = Callable[..., Answer]


def call(*arguments: object) -> Answer:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(overridden(arguments))
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def thriftnas() -> Call:
    """Runs a command: ``thriftnas("zoo", "cost", "DARTS_V2")``."""
    return call


@pytest.fixture
def study() -> list[str]:
    """A study of 3 networks and 18 trainings, without --out."""
    return list(STUDY)


@pytest.fixture
def build() -> list[str]:
    """A zoo of 2 networks, without --out."""
    return list(BUILD)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Default folders, caches and the note of a running Ray cluster all lie outside of the checkout and the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("THRIFTNAS_CACHE", "THRIFTNAS_DATA", "RAY_TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.getbasetemp() / name))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="session")
def _finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "run"
    assert call(*STUDY, "--out", folder).code == 0
    return folder


@pytest.fixture(scope="session")
def _finished_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo") / "run"
    assert call(*BUILD, "--out", folder).code == 0
    return folder


@pytest.fixture
def finished(_finished_study: Path, tmp_path: Path) -> Path:
    """A run folder of the finished study, for this test alone."""
    return Path(shutil.copytree(_finished_study, tmp_path / "finished"))


@pytest.fixture
def built(_finished_zoo: Path, tmp_path: Path) -> Path:
    """A run folder of the finished zoo, for this test alone."""
    return Path(shutil.copytree(_finished_zoo, tmp_path / "built"))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, whoever wants to train fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("nothing was left to train")

    monkeypatch.setattr(zoo.training.evaluator, "make_evaluator", refuse)


@pytest.fixture
def interrupted_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """``with interrupted_after(5):`` presses Ctrl-C in the sixth training."""
    make = zoo.training.evaluator.make_evaluator

    @contextlib.contextmanager
    def interrupt(count: int) -> Iterator[None]:
        left = iter(range(count))

        def make_interrupted(*arguments, **named):
            evaluator = make(*arguments, **named)

            def evaluate(jobs: Sequence[object]):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return evaluator(jobs)

            return evaluate

        with monkeypatch.context() as patch:
            patch.setattr(zoo.training.evaluator, "make_evaluator", make_interrupted)
            yield

    return interrupt


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """An image folder of two classes, 40 PNG files each."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    for number, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for index in range(40):
            pixels = rng.integers(0, 128, (8, 8, 3), dtype=np.uint8) + np.uint8(number * 100)
            Image.fromarray(pixels).save(folder / name / f"{index:02}.png")
    return folder


@pytest.fixture
def unequal_photos(photos: Path) -> Path:
    """The image folder with only four dogs."""
    for path in sorted((photos / "dog").iterdir())[4:]:
        path.unlink()
    return photos


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Everything below a folder with its content, except the files SQLite shares between readers."""

    def read(folder: Path) -> dict[str, bytes]:
        paths = (Path(root) / name for root, folders, files in os.walk(folder) for name in [*folders, *files])
        return {
            str(path): path.read_bytes() if path.is_file() else b""
            for path in paths
            if not path.name.endswith(("-shm", "-wal"))
        }

    return read
