"""What the documents say is true: commands parse, links lead somewhere, the public names are explained."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.documented import entry_points_of
from zoo.cli import app
from zoo.commands.renamed import renamed

ROOT = Path(__file__).parents[1]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *PAGES]
FENCE = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
CONTRIBUTING_LINES = 50
INHERITED = {
    "forward",
    "backward",
}  # torch explains what it is; the class says what it computes, its first line the shapes


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# ---------------------------------------------------------------- commands


def blocks(text: str) -> list[str]:
    """The contents of the fenced blocks."""
    return [match[2] for match in FENCE.finditer(text)]


def command_lines(text: str) -> Iterator[list[str]]:
    """The arguments of every `thriftnas ...` in fenced blocks: continued lines joined, comments and pipes cut off."""
    for block in blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s(?:\||&&|;|>>?)\s", line.strip().removeprefix("$ ")):
                words = shlex.split(part, comments=True) if "thriftnas " in part else []
                if words and words[0] == "torchrun":  # its own options come before the program
                    words = words[words.index("thriftnas") :]
                if words and words[0].rpartition("/")[2] == "thriftnas":
                    yield words[1:]


def parse(words: list[str]) -> None:
    """Parse a command line without running it; raises what the command line would say."""
    command, path = typer.main.get_command(app), ["thriftnas"]
    rest = renamed(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"{' '.join(path)} has no command {rest[0]!r}"
        path.append(rest.pop(0))
        command = command.commands[path[-1]]
    if rest in (["--help"], ["--version"]):
        return
    assert not hasattr(command, "commands"), f"{' '.join(path)} needs a command"
    command.make_context(" ".join(path), rest)


def added_commands() -> set[str]:
    """The commands of the packages in docs/extending.md: not installed here, but run by tests/test_extending.py."""
    return set(entry_points_of(read("docs/extending.md"))["thriftnas.commands"])


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "CONTRIBUTING.md"])
def test_every_command_line_parses(name):
    added = added_commands() if name == "docs/extending.md" else set()
    for words in command_lines(read(name)):
        if words[0] not in added:
            parse(words)


def test_the_one_command_of_another_package_is_that_of_the_example():
    assert added_commands() == {"local"}


def test_the_readme_shows_commands():
    shown = {" ".join(words[:2]) for words in command_lines(read("README.md"))}
    assert {"zoo study", "zoo build", "run status"} <= shown


def test_the_readme_opens_with_the_two_commands():
    assert blocks(read("README.md"))[0] == "make demo\nmake test\n"


@pytest.mark.parametrize(
    "line", ["zoo stduy", "zoo study --modells 3", "zoo cost", "zoo", "zoo study --models many", "run status a b"]
)
def test_a_wrong_command_line_is_found(line):
    (words,) = command_lines(f"Text\n```sh\n$ thriftnas {line}  # explained\n```\n")
    with pytest.raises(Exception, match=r"."):
        parse(words)


def test_command_lines_are_found_in_all_their_forms():
    text = """
`thriftnas nothing` in a line is not looked at.
~~~
.venv/bin/thriftnas zoo study --settings "c{0,2}r0s0e1" \\
    --models 3 > log
echo thriftnas && thriftnas doctor --json | head
~~~
"""
    assert list(command_lines(text)) == [
        ["zoo", "study", "--settings", "c{0,2}r0s0e1", "--models", "3"],
        ["doctor", "--json"],
    ]


# ---------------------------------------------------------------- links


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        count = found[plain] = found.get(plain, -1) + 1
        names.add(f"{plain}-{count}" if count else plain)
    return names


def broken_links(path: Path) -> list[str]:
    text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", path.read_text(encoding="utf-8")))
    broken = []
    for target in (first or second for first, second in LINK.findall(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue  # another site
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name):
    assert broken_links(ROOT / name) == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# One title: `x`!\n## Again\n## Again\n```\n# no heading\n```\n")
    good = "[a](other.md) [b](other.md#one-title-x) [c](#here) [d](https://x.y/z) [e](other.md#again-1) `[f](no.md)`"
    bad = '[a](missing.md) [b](other.md#no-heading) [c](#there "title")\n\n[d]: gone.md\n'
    (tmp_path / "page.md").write_text(f"# Here\n{good}\n{bad}\n```\n[g](no.md)\n```\n")
    assert broken_links(tmp_path / "page.md") == ["missing.md", "other.md#no-heading", "#there", "gone.md"]


# ---------------------------------------------------------------- sizes and docstrings


def test_contributing_is_short():
    assert len(read("CONTRIBUTING.md").splitlines()) < CONTRIBUTING_LINES


def undocumented(path: Path) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not ast.get_docstring(tree):
        yield str(path)
    scopes: list[tuple[str, ast.Module | ast.ClassDef]] = [(path.name, tree)]
    while scopes:
        where, scope = scopes.pop()
        for node in scope.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                if not ast.get_docstring(node) and node.name not in INHERITED:
                    yield f"{where}: {node.name}"
                if isinstance(node, ast.ClassDef):
                    scopes.append((f"{where}: {node.name}", node))


def test_everything_public_has_a_docstring():
    assert [name for path in sorted((ROOT / "zoo").rglob("*.py")) for name in undocumented(path)] == []


def test_a_missing_docstring_is_found(tmp_path):
    (tmp_path / "m.py").write_text("class A:\n    'A.'\n    def f(self): ...\n    def _g(self): ...\ndef h(): ...\n")
    found = {name.removeprefix(str(tmp_path)) for name in undocumented(tmp_path / "m.py")}
    assert found == {"/m.py", "m.py: A: f", "m.py: h"}


# ---------------------------------------------------------------- habits


def test_workflows_and_hooks_call_what_is_there():
    yaml = pytest.importorskip("yaml")
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    called = set()
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert found["permissions"] == {"contents": "read"}
        for job in found["jobs"].values():
            called |= {step["run"].split()[-1] for step in job["steps"] if "run" in step}
    assert called <= targets
    assert {"lint", "test", "docs", "wheel-check", "try-lowest", "test-slow"} <= called
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    lint = read("Makefile").partition("\nlint:")[2].partition("\n\n")[0]
    assert all(hook["entry"].split()[0].rpartition("/")[2] in lint for hook in hooks)


def test_every_supported_python_is_tested_and_named():
    supported = {"3.11", "3.12", "3.13"}
    assert supported == set(re.findall(r'"(3\.\d+)"', read(".github/workflows/tests.yml")))
    assert all(version in read("docs/limits.md") for version in supported)


def test_the_version_is_the_same_wherever_it_stands():
    (version,) = re.findall(r'^version = "(.*)"', read("pyproject.toml"), re.MULTILINE)
    assert f"\nversion: {version}\n" in read("CITATION.cff")


def test_help_lists_every_target_that_is_for_people():
    text = read("Makefile")
    listed = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert listed == set(phony.split())
