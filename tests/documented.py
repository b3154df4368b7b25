"""The files and commands of a document: fenced blocks, each file named in the paragraph before its block."""

import re
import tomllib
from pathlib import Path

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- not run: ([^>]+) -->\s*\Z")
"""Before a block of commands: why no test runs it as it stands."""
NAME = re.compile(r"`([\w./-]+\.(?:toml|py|json))`[^`]*\Z")
"""The last file that a text names, with no other code after it."""


def files_of(text: str) -> dict[str, str]:
    """The files of a document by name.

    Raises:
        ValueError: for a block that is no commands and has no name.
    """
    found, begin = {}, 0
    for block in FENCE.finditer(text):
        named = NAME.search(text[begin : block.start()].strip())
        begin = block.end()
        if block[1] == "sh":
            continue
        if named is None:
            raise ValueError(f"a block of {block[1]} without a name: {block[2][:60]!r}")
        found[named[1]] = block[2]
    return found


def commands_of(text: str) -> list[str]:
    """The command lines of a document, in order."""
    return [line for block in FENCE.finditer(text) if block[1] == "sh" for line in block[2].splitlines()]


def unrun_of(text: str) -> list[tuple[str, str]]:
    """(its first line, why not) of every block of commands that is marked as not run."""
    found = [(block, MARK.search(text[: block.start()])) for block in FENCE.finditer(text) if block[1] == "sh"]
    return [(block[2].splitlines()[0], mark[1]) for block, mark in found if mark]


def run_of(text: str) -> str:
    """The document without its blocks of commands that are marked as not run."""
    return FENCE.sub(lambda block: "" if MARK.search(text[: block.start()]) else block[0], text)


def entry_points_of(text: str) -> dict[str, dict[str, str]]:
    """By group the entry points that the document's packages have, by name."""
    found: dict[str, dict[str, str]] = {}
    for name, content in files_of(text).items():
        if name.endswith("pyproject.toml"):
            for group, points in tomllib.loads(content)["project"]["entry-points"].items():
                found.setdefault(group, {}).update(points)
    return found


def write_files(text: str, folder: Path) -> None:
    """Write the document's files below a folder."""
    for name, content in files_of(text).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
