"""Tutorials: scripts whose comments are a page's text; every block of code is run, and what it prints stands below it.

``python docs/making/tutorials.py SCRIPT`` runs one and prints its page. The script runs in a folder of its own.
"""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
SCRIPTS = ROOT / "docs" / "tutorials"


def scripts() -> list[Path]:
    """The tutorials, by name."""
    return sorted(SCRIPTS.glob("*.py"))


def parts(text: str) -> Iterator[tuple[str, str]]:
    """("text", Markdown) and ("code", Python) in order: lines that begin with # are text, all others code."""
    kind, lines = "code", list[str]()
    for line in [*text.splitlines(), None]:
        now = "end" if line is None else "text" if line.startswith("#") else "code" if line.strip() else kind
        if now != kind:
            if body := "\n".join(lines).strip("\n"):
                yield kind, body
            lines = []
        kind = now
        lines.append((line or "").removeprefix("#").removeprefix(" ") if kind == "text" else line or "")


def page(script: Path, *, run: bool = True) -> str:
    """The page of a tutorial, in Markdown; runs it in a process of its own, in an empty folder.

    Raises:
        RuntimeError: if it fails; the message is what it said.
    """
    if not run:
        return shown(parts(script.read_text(encoding="utf-8")))
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(HERE), str(script.resolve())],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"{script.name} failed: {done.stderr}")
    return done.stdout


def shown(found: Iterable[tuple[str, str]]) -> str:
    """The page of ("text", ...), ("code", ...) and ("prints", ...)."""
    fences = {"code": "```python\n{}\n```\n", "prints": '```text title="prints"\n{}\n```\n', "text": "{}\n"}
    return "\n".join(fences[kind].format(body) for kind, body in found)


def executed(script: Path) -> Iterator[tuple[str, str]]:
    """The parts of a tutorial, which is run here, each code followed by what it printed."""
    names = {"__name__": "__main__", "__file__": str(script)}
    for kind, body in parts(script.read_text(encoding="utf-8")):
        yield kind, body
        if kind == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(body, script.name, "exec"), names)
            if said := out.getvalue().rstrip():
                yield "prints", said


if __name__ == "__main__":
    print(shown(list(executed(Path(sys.argv[1])))))
