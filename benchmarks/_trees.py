"""Copies of the code of another commit or folder, and their command lines side by side on one machine."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import benchmarks

ROOT = Path(benchmarks.__path__[0]).parent
"""This checkout."""

NOT_CODE = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")
OUTPUT = {"runs", "demo", "build", "dist"}  # of the checkout itself; a package may be called that


class Failed(Exception):
    """A command that did not end well; says what it said last."""


class Commands(Protocol):
    """The command line of some code."""

    def call(self, arguments: Sequence[str]) -> str:
        """What a command prints.

        Raises:
            Failed: if its exit code is not 0.
        """
        ...


def commit_copy(commit: str, target: Path) -> None:
    """Write the files of a commit of this checkout into a new folder.

    Raises:
        ValueError: if there is no such commit here.
    """
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", "--end-of-options", commit], capture_output=True
    )
    if done.returncode:
        raise ValueError(f"expected a commit of {ROOT}, got {commit!r}: {_last(done.stderr.decode(errors='replace'))}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")


def folder_copy(tree: Path, target: Path) -> None:
    """Copy the files of a checkout as they are now, so that nobody's edits reach a comparison that has begun.

    Raises:
        ValueError: if it has no pyproject.toml.
    """
    if not (tree / "pyproject.toml").is_file():
        raise ValueError(f"expected a checkout with a pyproject.toml, got {tree}")
    shutil.copytree(
        tree,
        target,
        ignore=lambda folder, names: NOT_CODE(folder, names) | (OUTPUT & {*names} if Path(folder) == tree else set()),
    )


@contextmanager
def commands_of(tree: Path, folder: Path) -> Iterator[Commands]:
    """The command line of a copy, on one thread and with caches of its own, in ``folder``.

    Raises:
        ValueError: if the copy cannot be used.
    """
    folder.mkdir(parents=True)
    environment = {
        **os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "COLUMNS": "120",
        "THRIFTNAS_CACHE": str(folder / "cache"),
    }  # fmt: skip
    _describe(tree, environment)
    process = subprocess.Popen(
        [sys.executable, "-P", str(ROOT / "benchmarks" / "_forked.py")],
        cwd=tree,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        origin = json.loads(process.stdout.readline() or "null")
        if origin is None or not Path(origin).resolve().is_relative_to(tree.resolve()):
            raise ValueError(f"expected to run the code in {tree}, found that of {origin}")
        yield _Process(process, folder)
    finally:
        process.kill()
        process.communicate()


class _Process:
    """A process of ``_forked.py`` as a command line."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._said = process, folder / "said"

    def call(self, arguments: Sequence[str]) -> str:
        """What a command prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), str(self._said)]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        out, err = (
            self._said.with_suffix(suffix).read_text(encoding="utf-8", errors="replace") for suffix in (".out", ".err")
        )
        if not answer or json.loads(answer) != 0:
            raise Failed(_last(err or out) or f"exit code {answer.strip()}")
        return out


def _describe(tree: Path, environment: dict[str, str]) -> None:
    """Write the metadata of a copy, in which its entry points are; what comes first on the path counts."""
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"the metadata of {tree} cannot be written: {_last(done.stderr)}")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ")[:200] if lines else ""
