"""Every use of randomness has a purpose of its own, which `zoo/purposes.py` lists and nobody writes as a number."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo import purposes

ROOT = Path(__file__).parents[1]
FOLDERS = ("zoo", "econas", "scarlet", "milenas", "benchmarks")
NAMES = {name: value for name, value in vars(purposes).items() if name.isupper()}

UNNAMED = {
    "benchmarks/coverage.py",  # invented worlds, told apart by their sizes; their numbers are in docs/results.md
    "benchmarks/cost.py",  # the bytes of a space's name
}


def streams(text: str) -> Iterator[tuple[int, list[ast.expr]]]:
    """The line and the numbers of every stream: the tuple of a default_rng, the arguments of a random_stream."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "default_rng" and node.args and isinstance(node.args[0], ast.Tuple):
                yield node.lineno, node.args[0].elts
            elif called == "random_stream":
                yield node.lineno, node.args


def imported(text: str) -> set[str]:
    """The names that a module has from the registry."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes if node.module == "zoo.purposes" for alias in node.names}


def problems(text: str) -> list[str]:
    """Streams with a number written out, and streams without a name from the registry."""
    known, found = imported(text) | {"purpose", "purposes"}, []  # or a purpose that somebody passes on
    for line, numbers in streams(text):
        parts = [part for n in numbers for part in ([n.body, n.orelse] if isinstance(n, ast.IfExp) else [n])]
        names = {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}
        if any(isinstance(part, ast.Constant) for part in parts):
            found.append(f"line {line} has a bare number")
        elif not names & known:
            found.append(f"line {line} has no purpose")
    return found


def test_no_number_is_used_twice() -> None:
    assert len(NAMES) > 30
    assert all(type(value) is int for value in NAMES.values())
    assert [number for number, count in Counter(NAMES.values()).items() if count > 1] == []


def test_no_module_passes_a_bare_number_or_a_number_of_its_own() -> None:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    named = [path for path in files if str(path.relative_to(ROOT)) not in UNNAMED]
    found = {str(path.relative_to(ROOT)): problems(path.read_text(encoding="utf-8")) for path in named}
    assert {path: said for path, said in found.items() if said} == {}
    assert sum(1 for path in files for _ in streams(path.read_text(encoding="utf-8"))) > 25


def test_every_purpose_is_somebodys() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
                     if path.name != "purposes.py")  # fmt: skip
    unused = {name for name in NAMES if name not in text}
    assert unused == set()


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("default_rng((seed, PARENTS))", 0),
        ("np.random.default_rng((self._seed, index, PARENTS if old else MUTATION))", 0),
        ("np.random.default_rng((seed, purposes.PARENTS, epoch))", 0),
        ("np.random.default_rng(0)", 0),
        ("np.random.default_rng((seed, 301))", 1),
        ("np.random.default_rng((seed, OWN))", 1),
        ("random_stream(stage, 301, epoch)", 1),
        ("random_stream(stage, OWN, epoch)", 1),
    ],
)
def test_a_planted_number_is_found(line: str, count: int) -> None:
    assert len(problems(f"from zoo.purposes import MUTATION, PARENTS\n{line}\n")) == count
