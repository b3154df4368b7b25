"""The architecture as a table: which part may import which. The rest of this file reads the sources and compares."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# A part may import itself and what its row names. `zoo` itself (the version) is free to all.
MAY_IMPORT = {
    "purposes": "",
    "files": "",
    "lazy": "",
    "event_log": "",
    "plugins": "",
    "spaces": "plugins",
    "data": "plugins",
    "population": "plugins spaces",
    "figures": "spaces",
    "pages": "",
    "surrogates": "spaces",
    "reliability": "plugins spaces population figures pages",
    "networks": "spaces",
    "scores": "plugins spaces population networks data",
    "training": "spaces population networks data scores",
    "export": "plugins spaces population figures pages networks data scores training",
    "latency": "spaces population reliability networks data training export",
    "experiments": "plugins spaces population reliability figures pages networks data scores training export",
    "live": "population figures pages experiments",
    "commands": "plugins spaces population reliability figures pages networks data scores training export latency "
    "experiments live",
    "cli": "plugins spaces population reliability figures pages networks data scores training export "
    "experiments commands event_log",
    # The searches stand on all of zoo but its command line, and never on each other; their commands on that, too.
    "econas": "spaces surrogates population reliability figures pages networks data scores training export experiments",
    "scarlet": "plugins spaces surrogates population reliability figures pages networks data scores training export "
    "experiments",
    "milenas": "spaces population reliability figures pages networks data scores training export experiments",
    # The Python face stands on them all, beside the command line; nothing imports it.
    "thriftnas": "spaces surrogates population reliability figures pages networks data scores training export "
    "experiments econas scarlet milenas",
}
SEARCHES = ("econas", "scarlet", "milenas")
FACE = "thriftnas"
NOT_INSTALLED = ("benchmarks", "tests")  # only in the checkout: what is installed may not need them
FREE = ("purposes", "files", "lazy")  # what every part may import
WITHOUT_TORCH = ("purposes", "files", "spaces", "population", "reliability", "figures", "pages", "surrogates")
FILES_IMPORTING = {"ray": 1, "pymoo": 5, "matplotlib": 1}  # at most so many
IN_USE_ONLY = ("ray", "pymoo", "zoo.population.ray_executor", "torch.utils.flop_counter")
"""Imported where they are used: missing on machines with torch alone, or slow (the last one imports Triton)."""
NAMELESS = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
FILE_LINES, FUNCTION_LINES = 400, 60  # fewer than these
PARAMETERS, COMMAND_LINES = 8, 1899  # at most so many: of a function outside commands, of all command modules


def sources(root: Path) -> list[Path]:
    return [path for folder in ("zoo", *SEARCHES, FACE) for path in sorted((root / folder).rglob("*.py"))]


def part_of(module: str) -> str | None:
    """The row of a module: spaces for zoo.spaces.cost, econas for econas.evolution; None outside the house."""
    names = module.split(".")
    if names[0] == "zoo":
        return names[1] if len(names) > 1 else None
    return names[0] if names[0] in (*SEARCHES, FACE) else None


def module_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, root: Path, *, at_once: bool = False) -> Iterator[str]:
    """Every module a file imports, anywhere in it or ``at_once``: when it is itself imported.

    `from a import b` yields a.b, which may be a module.
    """
    package = module_of(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in run_when_imported(tree) if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            near = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*near, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def run_when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that run on import: not those of functions, nor those for type checkers."""
    for child in ast.iter_child_nodes(node):
        typing = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not typing and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from run_when_imported(child)


def imported_too_early(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        if path.name != "ray_executor.py":
            names = sorted(set(imports(path, root, at_once=True)))
            problems += [
                f"{path.relative_to(root)} imports {name} at once"
                for name in names
                if any(f"{name}.".startswith(f"{late}.") for late in IN_USE_ONLY)
            ]
    return problems


def broken_edges(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        here = part_of(module_of(path, root))
        names = sorted(set(imports(path, root)))
        problems += [
            f"{path.relative_to(root)} imports {name}" for name in names if name.split(".")[0] in NOT_INSTALLED
        ]
        if here is None:  # zoo/__init__.py: below everything
            problems += [f"{path.name} imports {name}" for name in names if part_of(name) is not None]
            continue
        if here not in MAY_IMPORT:
            problems.append(f"{path.relative_to(root)} belongs to no part of the table")
            continue
        allowed = {here, *FREE, *MAY_IMPORT[here].split()}
        if here in SEARCHES and is_command(path, root):
            allowed.add("commands")
        for name in names:
            there = part_of(name)
            if there in MAY_IMPORT and there not in allowed:
                problems.append(f"{path.relative_to(root)} imports {name}")
            if here in WITHOUT_TORCH and name.split(".")[0] in ("torch", "torchvision"):
                problems.append(f"{path.relative_to(root)} imports {name}")
    return problems


def spread(root: Path) -> list[str]:
    problems = []
    for library, limit in FILES_IMPORTING.items():
        users = [p.name for p in sources(root) if any(n.split(".")[0] == library for n in imports(p, root))]
        if len(users) > limit:
            problems.append(f"{library} is imported by {users}, at most {limit} may")
    return problems


def sizes_and_names(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        if lines >= FILE_LINES:
            problems.append(f"{path.relative_to(root)} has {lines} lines")
        if NAMELESS & set(path.relative_to(root).with_suffix("").parts):
            problems.append(f"{path.relative_to(root)} does not say what it is")
        functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        problems += [
            f"{path.relative_to(root)}: {function.name} has {body_lines(function)} lines"
            for function in functions
            if body_lines(function) >= FUNCTION_LINES
        ]
    return problems


def is_command(path: Path, root: Path) -> bool:
    return "commands" in path.relative_to(root).with_suffix("").parts


def crowded(root: Path) -> list[str]:
    """Functions with too many parameters; commands have one an option."""
    problems = []
    for path in sources(root):
        if is_command(path, root):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                count = len([name for name in names if name not in ("self", "cls")])
                if count > PARAMETERS:
                    problems.append(f"{path.relative_to(root)}: {node.name} has {count} parameters")
    return problems


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body; its docstring and its signature, one option a line in a command, are left out."""
    first, last = function.body[0], function.body[-1]
    begin = first.lineno
    if ast.get_docstring(function, clean=False) is not None:
        begin = (first.end_lineno or first.lineno) + 1
    return (last.end_lineno or last.lineno) - begin + 1


# ---------------------------------------------------------------- the house


def test_every_import_is_an_edge_of_the_table() -> None:
    assert broken_edges(ROOT) == []


def test_ray_pymoo_and_matplotlib_each_have_one_place() -> None:
    assert spread(ROOT) == []


def test_what_a_machine_with_torch_alone_lacks_is_imported_where_it_is_used() -> None:
    assert imported_too_early(ROOT) == []


def test_files_and_functions_are_short_and_named_for_what_they_do() -> None:
    assert sizes_and_names(ROOT) == []


def test_functions_outside_commands_take_few_parameters() -> None:
    assert crowded(ROOT) == []


def test_the_command_line_is_thin() -> None:
    lines = sum(len(p.read_text(encoding="utf-8").splitlines()) for p in sources(ROOT) if is_command(p, ROOT))
    assert lines <= COMMAND_LINES


def test_the_table_has_no_cycle_and_no_part_that_is_missing() -> None:
    placed: set[str] = set()
    while len(placed) < len(MAY_IMPORT):
        ready = {part for part, below in MAY_IMPORT.items() if set(below.split()) <= placed} - placed
        assert ready, f"a cycle among {set(MAY_IMPORT) - placed}"
        placed |= ready
    existing = {part_of(module_of(path, ROOT)) for path in sources(ROOT)} - {None}
    assert existing <= set(MAY_IMPORT)


def test_spaces_population_and_reliability_are_imported_without_torch_and_ray() -> None:
    """In a fresh interpreter, every module of the three, but the one file that is Ray's."""
    modules = [
        module_of(path, ROOT)
        for part in ("spaces", "population", "reliability")
        for path in sorted((ROOT / "zoo" / part).rglob("*.py"))
        if path.name != "ray_executor.py"
    ]
    assert len(modules) > 15
    code = f"import sys, {', '.join(modules)}\nprint(sorted({{'torch', 'torchvision', 'ray'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == "[]"


# ---------------------------------------------------------------- the checker itself


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("zoo/spaces/cost.py", "import torch"),
        ("zoo/reliability/study.py", "def f():\n    from torch.nn import Linear"),
        ("zoo/spaces/cost.py", "from zoo.networks import build_network"),
        ("zoo/data/image_set.py", "import zoo.spaces.cost"),
        ("zoo/networks/profile.py", "from zoo import training"),
        ("zoo/scores/snip.py", "from zoo.training.recipe import Precision"),
        ("zoo/networks/network.py", "from zoo.scores import find_score"),
        ("zoo/training/trainer.py", "from zoo.export.model import save"),
        ("zoo/training/trainer.py", "from ..commands import options"),
        ("zoo/figures/chart.py", "from zoo.population.trial import Trial"),
        ("zoo/experiments/run.py", "from zoo.commands.options import Images"),
        ("econas/experiment.py", "from zoo.commands.options import Images"),
        ("zoo/export/model.py", "from zoo.experiments import Run"),
        ("zoo/commands/study.py", "from zoo.cli import app"),
        ("zoo/commands/study.py", "from econas.evolution import Evolution"),
        ("econas/evolution.py", "import scarlet.search"),
        ("milenas/__init__.py", "from zoo.cli import main"),
        ("zoo/__init__.py", "from zoo.spaces import CellSpace"),
        ("zoo/novelty/thing.py", "import math"),
        ("zoo/__init__.py", "import benchmarks"),
        ("zoo/commands/study.py", "def f():\n    from benchmarks.coverage import WORLDS"),
        ("milenas/search.py", "from tests.cells import STRETCHED"),
        ("thriftnas/jobs.py", "from zoo.commands.options import Images"),
        ("econas/experiment.py", "import thriftnas"),
        ("zoo/cli.py", "from thriftnas.jobs import study"),
    ],
)
def test_a_planted_edge_is_found(tmp_path: Path, file: str, line: str) -> None:
    assert len(broken_edges(plant(tmp_path, {file: line}))) == 1


def test_allowed_edges_pass(tmp_path: Path) -> None:
    files = {
        "zoo/__init__.py": "",
        "zoo/spaces/cost.py": "import math\nfrom . import genotype\nfrom zoo import __version__",
        "zoo/spaces/genotype.py": "",
        "zoo/training/trainer.py": "import torch\nfrom zoo.networks import build_network\nfrom ..data import load",
        "zoo/cli.py": "from zoo.commands import study\nfrom zoo.experiments import execute",
        "econas/commands.py": "from zoo.commands.running import perform",
        "econas/evolution.py": "from zoo.training import Recipe\nfrom econas.stages import Stage",
    }
    assert broken_edges(plant(tmp_path, files)) == []


def test_a_second_file_that_imports_ray_is_found(tmp_path: Path) -> None:
    plant(tmp_path, {"zoo/population/ray_executor.py": "import ray", "zoo/spaces/rayon.py": "import rayon"})
    assert spread(tmp_path) == []
    plant(tmp_path, {"zoo/experiments/run.py": "def f():\n    from ray.util import queue"})
    assert len(spread(tmp_path)) == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from pymoo.core.problem import Problem", 1),
        ("class A:\n    from zoo.population.ray_executor import RayExecutor", 1),
        ("from torch.utils import flop_counter", 1),
        ("def f():\n    import pymoo", 0),
        ("if TYPE_CHECKING:\n    import ray", 0),
        ("import rayon", 0),
    ],
)
def test_an_import_that_is_too_early_is_found(tmp_path: Path, line: str, found: int) -> None:
    assert len(imported_too_early(plant(tmp_path, {"zoo/spaces/cost.py": line}))) == found


def test_a_function_with_too_many_parameters_is_found(tmp_path: Path) -> None:
    wide = f"def f({', '.join(f'a{i}' for i in range(PARAMETERS + 1))}):\n    pass\n"
    plant(tmp_path, {"zoo/spaces/wide.py": wide, "zoo/commands/wide.py": wide})
    assert len(crowded(tmp_path)) == 1


def test_long_files_long_functions_and_empty_names_are_found(tmp_path: Path) -> None:
    body = "    x = 1\n" * (FUNCTION_LINES - 1)
    fine = f'def f(\n    a,\n    b,\n):\n    """One\n\n    two"""\n{body}' + "# c\n" * 300
    plant(tmp_path, {"zoo/spaces/fine.py": fine})
    assert sizes_and_names(tmp_path) == []
    plant(
        tmp_path,
        {
            "zoo/spaces/long.py": "# c\n" * FILE_LINES,
            "zoo/spaces/deep.py": f"class A:\n    def f(self):\n{body.replace('    x', '        x')}        y = 2\n",
            "zoo/spaces/utils.py": "",
            "zoo/common/thing.py": "",
        },
    )
    assert len(sizes_and_names(tmp_path)) == 4
