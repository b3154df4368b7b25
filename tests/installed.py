"""Plug-ins as installed packages add them: entry points of a test's module, or packages in a process of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

import zoo.plugins

ROOT = Path(__file__).parents[1]
DRIVER = """
import io, json, runpy, shlex, sys
from contextlib import redirect_stderr, redirect_stdout
from matplotlib.figure import Figure
from zoo.cli import main
draw, answers = Figure.savefig, []
for line, drawn in json.load(sys.stdin):
    Figure.savefig = draw if drawn else lambda _, stream, **__: stream.write(b"<svg/>")
    program, *words = shlex.split(line)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words) if program == "thriftnas" else runpy.run_path(words[0]) and 0
    answers.append([line, code, out.getvalue(), err.getvalue()])
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Answer:
    """What a command line gave back."""

    line: str
    code: int
    out: str
    err: str


def install(monkeypatch: pytest.MonkeyPatch, group: str, places: Mapping[str, str]) -> None:
    """Add entry points to a group by name, such as ``{"dots": "tests.data.test_plugged:dots"}``, until the test ends.

    A name may be followed by blanks, so that two packages can add the same one. What is really installed stays.
    """
    added = [EntryPoint(name.strip(), place, group) for name, place in places.items()]
    before: Any = zoo.plugins.entry_points
    monkeypatch.setattr(
        "zoo.plugins.entry_points",
        lambda group: EntryPoints([*before(group=group), *(point for point in added if point.group == group)]),
    )


def describe(folder: Path, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Make a folder, which lies on the path, one that an installed package's modules are in: the installer's notes."""
    info = folder / f"{folder.name}_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {folder.name}-plugin\nVersion: 1\n")
    lines = [
        f"[{g}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items()) for g, points in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def run_lines(
    lines: Sequence[str], packages: Sequence[Path], folder: Path, drawn: Callable[[str], bool] = lambda line: True
) -> list[Answer]:
    """Run lines such as ``thriftnas run status RUN`` and ``python draw.py`` in a folder, all in one fresh process.

    Lines that are not to be ``drawn`` write empty pictures, which takes a fraction of the time.
    """
    path = os.pathsep.join([*map(str, packages), str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps([(line, drawn(line)) for line in lines]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout)]
