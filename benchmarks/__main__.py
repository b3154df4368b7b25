"""The runner of all benchmarks: ``python -m benchmarks NAME [--json OUT]``; without a name it lists them.

A benchmark is a module of this package with a docstring, ``add_arguments(parser)`` and ``run(args)``, which returns
a dictionary with at least ``name`` and ``rows``, a list of flat dictionaries; other such lists are printed after them.
Where ``failed`` is true there, the exit code is 1.
"""

import argparse
import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks._finite import finite
from zoo.experiments.machine import about
from zoo.files import write_json


def names() -> list[str]:
    """Every benchmark there is: a file in this folder that defines ``run`` is all it takes."""
    modules = (m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.name.startswith("_"))
    return sorted(name for name in modules if any(getattr(node, "name", "") == "run" for node in _parsed(name).body))


def summary(name: str) -> str:
    """First line of a benchmark's docstring, read without importing it."""
    return (ast.get_docstring(_parsed(name)) or "").split("\n")[0]


def _parsed(name: str) -> ast.Module:
    return ast.parse(Path(benchmarks.__path__[0], f"{name}.py").read_text(encoding="utf-8"))


def tables(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """Rows as tables, a new one wherever the columns change."""
    made: list[Table] = []
    columns: list[str] = []
    for row in rows:
        if list(row) != columns:
            columns = list(row)
            made.append(Table())
            for column in columns:
                number = isinstance(row[column], int | float) and not isinstance(row[column], bool)
                made[-1].add_column(column.replace("_", " "), justify="right" if number else "left")
        made[-1].add_row(*(_cell(value) for value in row.values()))
    return made


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show(result: dict[str, Any], console: Console) -> None:
    """Rows first, then everything else."""
    rest = {key: value for key, value in result.items() if key not in ("name", "rows")}
    for table in tables(result["rows"]):
        console.print(table)
    for key, value in rest.items():
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            for table in tables(value):
                console.print(table)
        else:
            console.print(f"{key}: {_cell(value)}", highlight=False)


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark that ``arguments`` name and return the exit code."""
    if not arguments:
        for name in names():
            print(f"{name:10} {summary(name)}")
        return 0
    name = arguments[0]
    if not name.startswith("-") and name not in names():
        print(f"error: unknown benchmark {name!r}, expected one of {', '.join(names())}", file=sys.stderr)
        return 2
    if name.startswith("-"):
        parser = argparse.ArgumentParser(prog="python -m benchmarks")
        parser.add_argument("name", choices=names(), help="without a name, the benchmarks are listed")
        parser.parse_args(arguments)  # prints the help or an error, and exits
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {name}", description=module.__doc__)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the result, versions and hardware here")
    module.add_arguments(parser)
    args = parser.parse_args(arguments[1:])
    if args.json is not None and not args.json.absolute().parent.is_dir():
        parser.error(f"the folder of {args.json} does not exist")  # found out before the work, not after
    try:
        result = module.run(args)
    except (ValueError, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    show(result, Console(width=None if sys.stdout.isatty() else 160))
    if args.json is not None:
        write_json(args.json, finite(result) | about())
    return int(result.get("failed", False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
